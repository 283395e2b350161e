/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/io.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "engine/engine.h"
#include "lxc/lxc.h"

static int check_usage(const struct options *o)
{
	if (!o->ct && !o->images_dir)
		return usage_error("what to restore? --ct NAME, or -D DIR");
	if (o->ct && check_name(o->ct) < 0)
		return 1;
	if (o->veth_pair && !o->ct)
		return usage_error(
			"--veth-pair without a value takes the names from a container's configuration: "
			"use it with --ct, or give IN=OUT[@BR]");
	if (o->tcp_established && o->tcp_close)
		return usage_error("--tcp-established and --tcp-close exclude each other");
	if (o->images_dir && access(o->images_dir, F_OK) < 0)
		return usage_error("%s: %s", o->images_dir, strerror(errno));
	return 0;
}

int cmd_restore(struct options *o, const struct option_rest *rest)
{
	bool monitor = o->ct && !o->no_lxc_monitor;

	if (check_usage(o) || check_root())
		return 1;
	if (!o->images_dir && store_newest(o->ct, &o->images_dir) < 0)
		return 1;
	if (o->ct && (o->print_options || !monitor) && lxc_assemble(o) < 0)
		return 1;
	if (o->print_options)
		return cmd_print_options(o, VERB_RESTORE);
	if (monitor) /* the criu that LXC runs writes the log */
		return cmd_paths(o, "restore.log") < 0 || lxc_restore(o) < 0;
	return cmd_prepare(o, "restore.log") < 0 || engine_restore(o) < 0;
}
