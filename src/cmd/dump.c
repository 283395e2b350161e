/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/io.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "engine/engine.h"
#include "lxc/lxc.h"

static int check_usage(const struct options *o)
{
	if (o->ct && o->pid)
		return usage_error("--ct and -t exclude each other");
	if (!o->ct && !o->pid)
		return usage_error("what to dump? --ct NAME, or -t PID");
	if (o->ct && check_name(o->ct) < 0)
		return 1;
	if (!o->ct && !o->images_dir)
		return usage_error("-t needs -D DIR");
	if (o->leave_running && o->leave_stopped)
		return usage_error("--leave-running and --leave-stopped exclude each other");
	if (o->tcp_established && o->tcp_close)
		return usage_error("--tcp-established and --tcp-close exclude each other");
	return 0;
}

int cmd_dump(struct options *o, const struct option_rest *rest)
{
	bool ours = o->ct && !o->images_dir;

	if (check_usage(o) || check_root())
		return 1;
	if (ours && store_new(o->ct, &o->images_dir) < 0)
		return 1;
	if (o->ct && lxc_assemble(o) < 0)
		return 1;
	if (o->print_options)
		return cmd_print_options(o, VERB_DUMP);
	if (cmd_prepare(o, "dump.log") >= 0 && engine_dump(o) >= 0)
		return 0;
	if (ours)
		store_failed(o);
	return 1;
}
