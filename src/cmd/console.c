/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/log.h"
#include "cmd/cmd.h"

int cmd_console(struct options *o, const struct option_rest *rest)
{
	if (!o->ct)
		return usage_error("whose console? --ct NAME");
	return usage_error("not built into this ctcr yet");
}
