/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A container by name: where it lives and its configuration. Inner header of lxc/. */
#pragma once

#include "core/options.h"
#include "lxc/config.h"

struct container {
	const char *name; /* borrowed from the options */
	char *lxcpath; /* absolute: part of the name of the monitor's socket */
	struct lxc_config conf;
};

/* Find and read it; logs what is wrong. */
int container_load(const struct options *o, struct container *ret);
void container_done(struct container *ct);
/* 0, or -EBUSY and a line when it is running. */
int container_check_stopped(const struct container *ct);
/* Remove empty cgroups that a killed restore of the stopped container @name left; best effort. */
void container_remove_leftovers(const char *name);
/* --external TYPE[ID]:VALUE, if the command line has none for it. 0 or -ENOMEM. */
int add_external(struct options *o, const char *type, const char *id, const char *value);
