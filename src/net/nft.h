/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Helpers of nft.c; nft_dump() and nft_restore() are in link.h. */
#pragma once

#include "net/rtnl.h"

/* What NFTA_RULE_COMPAT of a rule said: the protocol of -p, and NFT_RULE_COMPAT_F_INV for "! -p". */
struct nft_compat {
	uint32_t proto, flags;
};

/* True if the rule with these NFTA_RULE_EXPRESSIONS needs one. Reads within the attribute only. */
bool nft_compat_find(const struct nlattr *expressions, struct nft_compat *ret);

/* Of a rule's NFTA_RULE_EXPRESSIONS: attributes that the kernel shows and does not take are passed over. */
void nft_exthdr_mend(struct nlattr *expressions);
