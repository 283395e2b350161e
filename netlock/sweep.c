/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hold tables that all connections have timed out of: removed by whoever of us comes next. */
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include "base/io.h"
#include "netlock/batch.h"
#include "netlock/netlock.h"

#define TABLES_MAX 64 /* at one time; the rest goes the next */
#define ROOM 8192

struct holds {
	char name[TABLES_MAX][BATCH_NAME_MAX];
	size_t n;
};

/* Ask for a list of @type, of the set @set of @table if they are given; @fn sees each answer. */
static int list(int sock, uint16_t type, const char *const about[2], mnl_cb_t fn, void *arg)
{
	char buf[ROOM] __attribute__((aligned(8)));
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *g;
	int ret = MNL_CB_OK;

	h->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | type;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
	g->nfgen_family = NFPROTO_INET;
	for (int i = 0; about && i < 2; i++) /* NFTA_SET_ELEM_LIST_TABLE, NFTA_SET_ELEM_LIST_SET */
		mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_TABLE + i, about[i]);
	if (send(sock, h, h->nlmsg_len, 0) < 0)
		return -errno;
	while (ret == MNL_CB_OK) {
		ssize_t n = recv(sock, buf, sizeof(buf), 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		ret = mnl_cb_run(buf, n, 0, 0, fn, arg);
	}
	return ret < 0 ? -errno : 0;
}

static const struct nlattr *attr_of(const struct nlmsghdr *h, uint16_t type)
{
	const struct nlattr *a;

	mnl_attr_for_each(a, h, sizeof(struct nfgenmsg)) if (mnl_attr_get_type(a) == type) return a;
	return NULL;
}

static int see_table(const struct nlmsghdr *h, void *arg)
{
	const struct nlattr *a = attr_of(h, NFTA_TABLE_NAME);
	struct holds *t = arg;
	const char *name;

	if (!a || mnl_attr_validate(a, MNL_TYPE_NUL_STRING) < 0)
		return MNL_CB_OK;
	name = mnl_attr_get_str(a);
	if (startswith(name, NETLOCK_HOLD) && strlen(name) < BATCH_NAME_MAX && t->n < TABLES_MAX)
		memcpy(t->name[t->n++], name, strlen(name) + 1);
	return MNL_CB_OK;
}

static int see_element(const struct nlmsghdr *h, void *arg)
{
	const struct nlattr *a = attr_of(h, NFTA_SET_ELEM_LIST_ELEMENTS);
	bool *any = arg;

	*any |= a && mnl_attr_get_payload_len(a);
	return MNL_CB_OK;
}

int netlock_sweep(void)
{
	static const char *const sets[] = { NETLOCK_SET4, NETLOCK_SET6 };
	_cleanup_free_ struct holds *t = calloc(1, sizeof(*t));
	int sock = netfilter_socket(), err = t ? 0 : -ENOMEM;

	if (sock < 0)
		return sock;
	if (err == 0)
		err = list(sock, NFT_MSG_GETTABLE, NULL, see_table, t);
	for (size_t i = 0; err == 0 && i < t->n; i++) {
		bool any = false;

		for (size_t j = 0; err == 0 && j < ARRAY_SIZE(sets); j++)
			err = list(sock, NFT_MSG_GETSETELEM, (const char *const[]){ t->name[i], sets[j] },
				   see_element, &any);
		if (err == -ENOENT) /* another of us was quicker */
			err = 0;
		else if (err == 0 && !any)
			err = table_delete(sock, t->name[i]);
	}
	close_later(sock);
	return err;
}
