/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

int main(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	puts("ctcr " CTCR_VERSION);
	return 0;
}
