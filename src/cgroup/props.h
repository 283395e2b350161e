/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The properties of a cgroup that are dumped and given back, and when. */
#pragma once

#include "cgroup/cg.h"

enum prop_when {
	PROP_MAKE, /* right after mkdir, before any task is in it */
	PROP_LIMIT, /* when all memory is filled */
};

enum prop_form {
	PROP_TEXT, /* write what was read */
	PROP_LINES, /* one write a line ("8:0 1048576"); lines that are there and should not be: @reset */
	PROP_KEYED, /* the value of one key of the text (memory.oom_control) */
	PROP_DEVICES, /* devices.list: written to devices.deny and devices.allow */
	PROP_SUBTREE, /* cgroup.subtree_control: "+" before each word */
	PROP_TYPE, /* cgroup.type: only "threaded" can be written */
};

struct prop {
	const char *name;
	bool v2;
	enum prop_when when;
	enum prop_form form;
	const char *arg; /* PROP_KEYED: the key; PROP_LINES: what follows the device to reset it */
};

extern const struct prop cg_props[];
extern const size_t cg_n_props;

/* The row of @name; NULL for one we do not know (hostile images). */
const struct prop *prop_find(bool v2, const char *name);
/* Read @p in @dir: malloc()ed text; -ENOENT when the kernel has none there. */
int prop_read(int dir, const struct prop *p, char **ret);
/* Make @p in @dir be @value; nothing is written when it is so already. */
int prop_write(int dir, const struct prop *p, const char *value);
