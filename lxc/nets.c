/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lxc.net.N.* -> --external. What is inside (addresses, routes, modes, VLAN ids) comes from the image,
 * as it was when the container was dumped.
 */
#include "lxc/nets.h"

#include <net/if.h>
#include <stdio.h>
#include <sys/random.h>
#include <time.h>

#include "base/io.h"
#include "base/log.h"

#define WAIT_TRIES 500 /* times 10 ms */

/* A name for a host end that has none in the configuration, in LXC's manner; NULL with errno. */
static char *random_pair(void)
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	unsigned char bytes[6];
	char name[] = "vethXXXXXX";

	do {
		if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
			return NULL;
		for (size_t i = 0; i < sizeof(bytes); i++)
			name[4 + i] = digits[bytes[i] % (sizeof(digits) - 1)];
	} while (if_nametoindex(name));
	return strdup(name);
}

/* "NAME@BRIDGE" */
static int add_pair(struct options *o, const struct lxc_net *n, const char *name)
{
	_cleanup_free_ char *pair = n->pair ? strdup(n->pair) : random_pair(), *value = NULL;

	value = pair ? xasprintf("%s%s%s", pair, n->link ? "@" : "", n->link ? n->link : "") : NULL;
	return value ? add_external(o, "veth", name, value) : -ENOMEM;
}

int nets_options(struct options *o, const struct container *ct, bool pairs)
{
	static const struct {
		const char *type, *external;
	} kinds[] = {
		{ "phys", "netdev" },
		{ "macvlan", "macvlan" },
		{ "ipvlan", "ipvlan" },
		{ "vlan", "vlan" },
	};

	for (size_t i = 0; i < ct->conf.n_nets; i++) {
		const struct lxc_net *n = &ct->conf.nets[i];
		_cleanup_free_ char *name = NULL;
		int ret = lxc_net_name(&ct->conf, i, &name);

		if (ret == 0 && pairs && n->type && streq(n->type, "veth"))
			ret = add_pair(o, n, name);
		for (size_t k = 0; k < ARRAY_SIZE(kinds) && ret == 0; k++)
			if (n->type && n->link && streq(n->type, kinds[k].type))
				ret = add_external(o, kinds[k].external, name, n->link);
		if (ret < 0)
			return ret;
	}
	return 0;
}

void nets_wait(const struct container *ct)
{
	for (size_t i = 0; i < ct->conf.n_nets; i++) {
		const struct lxc_net *n = &ct->conf.nets[i];
		int tries = n->type && n->link && streq(n->type, "phys") ? WAIT_TRIES : 0;

		while (tries && !if_nametoindex(n->link)) {
			if (!--tries)
				log_warn("container %s: device %s is not back on the host", ct->name,
					 n->link);
			nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
		}
	}
}
