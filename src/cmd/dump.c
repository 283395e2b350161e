/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "engine/engine.h"
#include "image/image.h"
#include "lxc/lxc.h"
#include "mnt/mountinfo.h"

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

/* *@ret_made: it was not there before. */
static int make_images_dir(const struct options *o, bool *ret_made)
{
	int err = image_place_check(o->images_dir);

	if (err < 0)
		return err;
	*ret_made = mkdir(o->images_dir, 0700) == 0;
	if (!*ret_made && errno != EEXIST)
		return log_errno(errno, "%s: cannot make the directory", o->images_dir);
	return 0;
}

/*
 * The directory is left as it was found. A log that says more than standard error did is kept beside it;
 * one that the user put elsewhere is no business of ours.
 */
static void leave_as_found(const struct options *o, bool ours, bool made)
{
	const char *name = path_below(o->log_file, o->images_dir);
	_cleanup_free_ char *dir = realpath(o->images_dir, NULL);
	_cleanup_free_ char *kept = ours ? xasprintf(STORE_DIR "/%s/failed.log", o->ct)
					 : xasprintf("%s.failed.log", dir ? dir : o->images_dir);

	if (name && (o->n_scripts || log_hidden()))
		log_error("the log is %s", kept && rename(o->log_file, kept) == 0 ? kept : o->log_file);
	else if (name)
		unlink(o->log_file);
	if (made)
		rmdir(o->images_dir);
}

static int dump_into(struct options *o, bool ours, bool made)
{
	if (cmd_prepare(o, "dump.log") < 0) {
		if (made)
			rmdir(o->images_dir);
		return 1;
	}
	if (engine_dump(o) >= 0) {
		if (o->ct && !o->leave_running && !o->leave_stopped)
			lxc_wait_stopped(o);
		return 0;
	}
	leave_as_found(o, ours, made);
	return 1;
}

int cmd_dump(struct options *o, const struct option_rest *rest)
{
	bool ours = o->ct && !o->images_dir, made;

	if (check_usage(o) || check_root())
		return 1;
	if (ours && store_new(o->ct, &o->images_dir) < 0)
		return 1;
	if (o->ct && lxc_assemble(o) < 0)
		return 1;
	if (o->print_options)
		return cmd_print_options(o, VERB_DUMP);
	if ((ours && store_make(o->ct) < 0) || make_images_dir(o, &made) < 0)
		return 1;
	return dump_into(o, ours, made);
}
