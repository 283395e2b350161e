/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/log.h"
#include "cmd/cmd.h"
#include "engine/engine.h"
#include "lxc/lxc.h"

static int check_kernel(void)
{
	for (size_t i = 0; i < n_features; i++)
		printf("%-22s %-10s %s\n", features[i].name,
		       features[i].probe()  ? "yes"
		       : features[i].needed ? "NO, needed"
					    : "no",
		       features[i].help);
	return features_missing() ? 1 : 0;
}

int cmd_check(struct options *o, const struct option_rest *rest)
{
	if (o->ct && o->pid)
		return usage_error("--ct and -t exclude each other");
	if (o->ct && check_name(o->ct) < 0)
		return 1;
	if (!o->ct && !o->pid)
		return check_kernel();
	if (check_root() || (o->ct && lxc_assemble(o) < 0))
		return 1;
	if (o->print_options)
		return cmd_print_options(o, VERB_CHECK);
	if (cmd_prepare(o, NULL) < 0)
		return 1;
	if (engine_check(o) < 0)
		return 1;
	printf("%s can be dumped\n", o->ct ?: "the tree");
	return 0;
}
