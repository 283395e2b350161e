/* SPDX-License-Identifier: GPL-2.0-or-later */
/* modes: ns userns running twice */
/* Host name and NIS domain name of a uts namespace. */
#include "zdtm.h"

#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct utsname u;

	test_init(argc, argv);
	if (sethostname("zdtm-host", 9) || setdomainname("zdtm.domain", 11))
		pfail("set");
	test_daemon();
	test_waitsig();
	if (uname(&u))
		pfail("uname");
	if (strcmp(u.nodename, "zdtm-host") || strcmp(u.domainname, "zdtm.domain"))
		fail("host name %s, domain %s", u.nodename, u.domainname);
	pass();
}
