/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * BPF programs attached to links beside queueing disciplines (tcx, Linux 6.6): refused, as those of filters
 * and XDP are (tc.c, link.c). A kernel that does not know the question has none.
 */
#include "base/log.h"
#include "base/netns.h"
#include "file/bpf.h"
#include "net/link.h"

/* enum bpf_attach_type; newer than the headers of Debian 12. */
#define TCX_INGRESS 46
#define TCX_EGRESS 47

struct asked {
	const struct rtnl_msgs *links;
	const char *link; /* the first with a program, NULL: none */
};

static bool attached(uint32_t type, int ifindex)
{
	uint32_t ids[BPF_ATTACHED_MAX] = { 0 }, flags;

	return bpf_query(ifindex, type, ids, &flags) > 0;
}

static int ask_inside(void *arg)
{
	struct asked *k = arg;

	for (size_t i = 0; i < k->links->n && !k->link; i++) {
		struct link_info l;

		if (link_parse(k->links->v[i], &l) == 0 &&
		    (attached(TCX_INGRESS, l.ifi->ifi_index) || attached(TCX_EGRESS, l.ifi->ifi_index)))
			k->link = l.name;
	}
	return 0;
}

int tcx_survey(struct net_dump *n)
{
	_cleanup_rtnl_msgs_ struct rtnl_msgs links = { 0 };
	struct asked k = { .links = &links };
	int ret = rtnl_list_family(&n->rt, RTM_GETLINK, AF_UNSPEC, sizeof(struct ifinfomsg), &links);

	if (ret == 0)
		ret = netns_call(n->ns->fd, ask_inside, &k);
	if (ret < 0)
		return log_errno(ret, "network namespace %u: BPF programs of links", n->msg->ns_id);
	return k.link ? dump_obstacle(n->d,
				      "link %s has a BPF program (tcx), which is not supported; detach it",
				      k.link)
		      : 0;
}
