/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <netinet/in.h> /* before the kernel's: the two know of each other in this order only */
#include <netinet/icmp6.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/io.h"
#include "base/netns.h"
#include "netlock/batch.h"
#include "netlock/netlock.h"

static const struct {
	const char *name;
	uint32_t hook;
} chains[] = {
	{ "in", NF_INET_PRE_ROUTING },
	{ "out", NF_INET_LOCAL_OUT },
};

/* ICMPv6 types that pass, as ranges. */
static const uint8_t icmp6_pass[][2] = {
	{ MLD_LISTENER_QUERY, MLD_LISTENER_REDUCTION },
	{ ND_NEIGHBOR_SOLICIT, ND_NEIGHBOR_ADVERT },
	{ 143, 143 }, /* MLDv2 report, RFC 3810 */
};

const char *netlock_table_name(char buf[NETLOCK_NAME_MAX])
{
	snprintf(buf, NETLOCK_NAME_MAX, "ctcr-%d", getpid());
	return buf;
}

bool netlock_is_ours(const char *table)
{
	char ours[NETLOCK_NAME_MAX];
	const char *rest = startswith(table, netlock_table_name(ours));

	return rest && (!*rest || streq(rest, NETLOCK_GATE));
}

static void batch_chain_rules(struct batch *b, const char *chain)
{
	struct nftnl_rule *r;

	batch_mark_passes(b, chain);

	r = rule_begin(b, chain);
	rule_l4proto(b, r, IPPROTO_IGMP);
	rule_end(b, r, NF_ACCEPT);

	for (size_t i = 0; i < ARRAY_SIZE(icmp6_pass); i++) {
		r = rule_begin(b, chain);
		rule_l4proto(b, r, IPPROTO_ICMPV6);
		rule_transport_byte(b, r, 0);
		rule_cmp(b, r, NFT_CMP_GTE, &icmp6_pass[i][0], 1);
		rule_cmp(b, r, NFT_CMP_LTE, &icmp6_pass[i][1], 1);
		rule_end(b, r, NF_ACCEPT);
	}
}

static int lock_table(int sock)
{
	char name[NETLOCK_NAME_MAX];
	_cleanup_(batch_free) struct batch *b = batch_new(netlock_table_name(name));

	if (!b)
		return -ENOMEM;
	batch_table(b, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL, NFT_TABLE_F_OWNER);
	for (size_t i = 0; i < ARRAY_SIZE(chains); i++) {
		batch_chain(b, chains[i].name, chains[i].hook, NF_DROP);
		batch_chain_rules(b, chains[i].name);
	}
	return batch_send(b, sock);
}

static const char *gate_name(char buf[NETLOCK_NAME_MAX])
{
	snprintf(buf, NETLOCK_NAME_MAX, "ctcr-%d" NETLOCK_GATE, getpid());
	return buf;
}

static int gate_table(int sock)
{
	char name[NETLOCK_NAME_MAX];
	_cleanup_(batch_free) struct batch *b = batch_new(gate_name(name));
	struct nftnl_rule *r;

	if (!b)
		return -ENOMEM;
	batch_table(b, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL, NFT_TABLE_F_OWNER);
	batch_chain(b, chains[0].name, chains[0].hook, NF_ACCEPT);
	r = rule_begin(b, chains[0].name);
	/* Clients inside are left alone: they would be held in SYN-SENT for nothing. */
	rule_not_loopback(b, r);
	rule_syn(b, r);
	rule_end(b, r, NF_DROP);
	return batch_send(b, sock);
}

static int open_table(int sock, bool gate, struct netlock_ns **ret)
{
	_cleanup_close_ int fd = sock;
	_cleanup_free_ struct netlock_ns *l = calloc(1, sizeof(*l));
	int err;

	if (!l)
		return -ENOMEM;
	err = gate ? gate_table(fd) : lock_table(fd);
	if (err < 0)
		return err;
	l->sock = take_fd(&fd);
	l->gate = gate;
	*ret = TAKE_PTR(l);
	return 0;
}

int netlock_open(int sock, struct netlock_ns **ret)
{
	return open_table(sock, false, ret);
}

int netlock_open_ns(int netns_fd, struct netlock_ns **ret)
{
	int sock = netns_socket(netns_fd, AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER);

	return sock < 0 ? sock : netlock_open(sock, ret);
}

int netlock_gate_ns(int netns_fd, struct netlock_ns **ret)
{
	int sock = netns_socket(netns_fd, AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER);

	return sock < 0 ? sock : open_table(sock, true, ret);
}

int netlock_fd(const struct netlock_ns *l)
{
	return l->sock;
}

/* Deleting the table is what unlocks, at once; should it fail, the close does it and is waited for. */
int netlock_close(struct netlock_ns *l)
{
	_cleanup_(batch_free) struct batch *b = NULL;
	char name[NETLOCK_NAME_MAX];
	int ret = -ENOMEM;

	if (!l)
		return 0;
	b = batch_new(l->gate ? gate_name(name) : netlock_table_name(name));
	if (b) {
		batch_table(b, NFT_MSG_DELTABLE, 0, 0);
		ret = batch_send(b, l->sock);
	}
	if (ret < 0)
		close(l->sock);
	else
		close_later(l->sock); /* the kernel waits for RCU when a netfilter socket goes, some 13 ms */
	free(l);
	return ret;
}
