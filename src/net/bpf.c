/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * BPF programs that are attached to a network namespace itself: those that choose sockets
 * (BPF_SK_LOOKUP), and that of the flow dissector. Refused, as BPF programs are.
 */
#include "base/log.h"
#include "file/bpf.h"
#include "net/link.h"

/* include/uapi/linux/bpf.h */
static const struct {
	uint32_t type;
	const char *name;
} attached[] = {
	{ BPF_FLOW_DISSECTOR, "flow dissector" },
	{ BPF_SK_LOOKUP, "socket lookup" },
};

int netbpf_survey(struct net_dump *n)
{
	for (size_t i = 0; i < ARRAY_SIZE(attached); i++) {
		uint32_t ids[BPF_ATTACHED_MAX] = { 0 }, flags;
		int ret = bpf_query(n->ns->fd, attached[i].type, ids, &flags);

		if (ret > 0)
			ret = dump_obstacle(n->d,
					    "network namespace %u: has a BPF program (%s, id %u), which is "
					    "not supported; detach it",
					    n->msg->ns_id, attached[i].name, ids[0]);
		if (ret < 0 && ret != -EINVAL && ret != -EPERM)
			return ret;
	}
	return 0;
}
