/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The expression "exthdr" that writes or strips a TCP option (`tcp option maxseg size set`, `reset tcp
 * option`): the kernel (6.18, net/netfilter/nft_exthdr.c) shows attributes of it that it does not take back.
 * They are given the type that is passed over.
 */
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>

#include "net/nft.h"

static const struct nlattr *find(const struct nlattr *nest, uint16_t type)
{
	const struct nlattr *a;

	mnl_attr_for_each_nested(a, nest) if (mnl_attr_get_type(a) == type) return a;
	return NULL;
}

static void mend_data(struct nlattr *data)
{
	const bool reads = find(data, NFTA_EXTHDR_DREG), writes = find(data, NFTA_EXTHDR_SREG);
	struct nlattr *a;

	if (reads)
		return;
	mnl_attr_for_each_nested(a, data)
	{
		uint16_t type = mnl_attr_get_type(a);

		if (type == NFTA_EXTHDR_FLAGS ||
		    (!writes && (type == NFTA_EXTHDR_OFFSET || type == NFTA_EXTHDR_LEN)))
			a->nla_type = NFTA_EXTHDR_UNSPEC;
	}
}

void nft_exthdr_mend(struct nlattr *expressions)
{
	struct nlattr *e;

	mnl_attr_for_each_nested(e, expressions)
	{
		const struct nlattr *name = find(e, NFTA_EXPR_NAME), *data = find(e, NFTA_EXPR_DATA);

		if (name && data && mnl_attr_validate(name, MNL_TYPE_NUL_STRING) >= 0 &&
		    streq(mnl_attr_get_str(name), "exthdr"))
			mend_data((struct nlattr *)data);
	}
}
