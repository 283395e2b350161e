/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * LXC containers by name: --ct NAME becomes ordinary options; a restore runs under LXC's own monitor.
 * Everything that fails here is logged once.
 */
#pragma once

#include "core/options.h"

/*
 * Fill @o from o->ct and o->lxcpath. Dump and check: the init's pid, the freezer, the roots of the
 * cgroups, what comes from the host. Restore (without monitor): the root directory, host sides of
 * mounts and links. What the command line set stays. 0 or a negative errno.
 */
int lxc_assemble(struct options *o);
/* After a dump that ended the container: until its monitor has cleared up and is gone. */
void lxc_wait_stopped(const struct options *o);
/*
 * Restore o->ct from o->images_dir as a child of a new monitor of LXC's, which executes us again as
 * `criu`; what LXC cannot pass on lies in a request file. The container is RUNNING on success. @o gets
 * what the configuration says of networks.
 */
int lxc_restore(struct options *o);
/*
 * The face called criu: options handed over by lxc_restore() as words of a ctcr command line
 * (NULL-terminated, in one block: free() it). -ENOENT: we were not called by ctcr.
 */
int lxc_request_words(char ***ret);
/* Containers of LXC: NAME, or LXCPATH/NAME where they are not below the run's own -P. */
extern const struct container_lookup lxc_containers;
/* /var/lib/lxc, or what lxc.conf says; malloc()ed. */
int lxc_default_path(char **ret);
