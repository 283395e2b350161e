/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rules of iptables-nft with matches and targets of xtables: these check on creation which protocol
 * the rule is limited to, told by NFTA_RULE_COMPAT, which the kernel does not show. It is found
 * again in the expressions iptables-nft makes of -p: the protocol loaded, then compared.
 */
#include <arpa/inet.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>

#include "net/nft.h"

#define IPV4_PROTOCOL 9 /* offsets in the network header */
#define IPV6_NEXTHDR 6

static uint32_t be32(const struct nlattr *a, uint32_t def)
{
	return a ? ntohl(rtnl_u32(a, htonl(def))) : def;
}

static int nested(const struct nlattr *a, const struct nlattr **tb, unsigned int max)
{
	return a ? rtnl_attrs_raw(mnl_attr_get_payload(a), mnl_attr_get_payload_len(a), tb, max) : -ENOENT;
}

static bool loads_protocol(const char *name, const struct nlattr *data)
{
	const struct nlattr *tb[16] = { 0 };
	uint32_t offset;

	if (nested(data, tb, ARRAY_SIZE(tb) - 1) < 0)
		return false;
	if (streq(name, "meta"))
		return be32(tb[NFTA_META_KEY], UINT32_MAX) == NFT_META_L4PROTO && tb[NFTA_META_DREG];
	if (!streq(name, "payload"))
		return false;
	offset = be32(tb[NFTA_PAYLOAD_OFFSET], UINT32_MAX);
	return be32(tb[NFTA_PAYLOAD_BASE], UINT32_MAX) == NFT_PAYLOAD_NETWORK_HEADER &&
	       be32(tb[NFTA_PAYLOAD_LEN], 0) == 1 && (offset == IPV4_PROTOCOL || offset == IPV6_NEXTHDR);
}

/* "cmp eq|neq one byte": the byte, and whether it is inverted. */
static bool compares_byte(const struct nlattr *data, struct nft_compat *c)
{
	const struct nlattr *tb[NFTA_CMP_MAX + 1] = { 0 }, *value[NFTA_DATA_MAX + 1] = { 0 };
	uint32_t op;

	if (nested(data, tb, NFTA_CMP_MAX) < 0 || nested(tb[NFTA_CMP_DATA], value, NFTA_DATA_MAX) < 0 ||
	    !value[NFTA_DATA_VALUE] || mnl_attr_get_payload_len(value[NFTA_DATA_VALUE]) != 1)
		return false;
	op = be32(tb[NFTA_CMP_OP], UINT32_MAX);
	c->proto = rtnl_u8(value[NFTA_DATA_VALUE], 0);
	c->flags = op == NFT_CMP_NEQ ? NFT_RULE_COMPAT_F_INV : 0;
	return op == NFT_CMP_EQ || op == NFT_CMP_NEQ;
}

bool nft_compat_find(const struct nlattr *expressions, struct nft_compat *ret)
{
	struct nft_compat c = { 0 }, found = { 0 };
	bool wanted = false, loaded = false;
	const struct nlattr *elem;

	mnl_attr_for_each_nested(elem, expressions)
	{
		const struct nlattr *tb[NFTA_EXPR_MAX + 1] = { 0 };
		const char *name;

		if (nested(elem, tb, NFTA_EXPR_MAX) < 0)
			return false;
		name = rtnl_str(tb[NFTA_EXPR_NAME]);
		if (!name)
			return false;
		if (streq(name, "match") || streq(name, "target"))
			wanted = true;
		if (streq(name, "cmp") && loaded && tb[NFTA_EXPR_DATA] &&
		    compares_byte(tb[NFTA_EXPR_DATA], &c))
			found = c;
		loaded = tb[NFTA_EXPR_DATA] && loads_protocol(name, tb[NFTA_EXPR_DATA]);
	}
	*ret = found;
	return wanted && found.proto;
}
