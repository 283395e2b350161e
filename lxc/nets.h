/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The networks of a container's configuration, as options. Inner header of lxc/. */
#pragma once

#include "lxc/container.h"

/*
 * What lies outside of each: devices of the host that are moved in (phys), links of the host below a
 * macvlan, ipvlan or vlan; with @pairs the host ends of veths, which LXC otherwise sees to itself.
 * 0 or -ENOMEM.
 */
int nets_options(struct options *o, const struct container *ct, bool pairs);
/* LXC gives back what it moved in under names of the moment, and renames it later: until that is done. */
void nets_wait(const struct container *ct);
