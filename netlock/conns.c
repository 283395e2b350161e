/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Locks of single TCP connections: sets of {our address, our port, theirs, theirs}. */
#include <netinet/in.h> /* before the kernel's: the two know of each other in this order only */
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <libnftnl/set.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/io.h"
#include "netlock/batch.h"
#include "netlock/netlock.h"

#define CHUNK 128 /* elements of one message */
#define PORTS "ports"
/* What nft(8) calls the parts of a key: ipv4_addr, ipv6_addr, inet_service; six bits each. */
#define NFT_TYPE_IPV4 7U
#define NFT_TYPE_IPV6 8U
#define NFT_TYPE_PORT 13U
#define KEY_TYPE(addr) ((((addr) << 6 | NFT_TYPE_PORT) << 6 | (addr)) << 6 | NFT_TYPE_PORT)

static const struct family {
	uint16_t family;
	uint8_t nfproto;
	const char *set;
	uint32_t addr_len, key_len, key_type, src, dst; /* bytes; offsets in the header */
} families[] = {
	{ AF_INET, NFPROTO_IPV4, NETLOCK_SET4, 4, 16, KEY_TYPE(NFT_TYPE_IPV4), offsetof(struct iphdr, saddr),
	  offsetof(struct iphdr, daddr) },
	{ AF_INET6, NFPROTO_IPV6, NETLOCK_SET6, 16, 40, KEY_TYPE(NFT_TYPE_IPV6),
	  offsetof(struct ip6_hdr, ip6_src), offsetof(struct ip6_hdr, ip6_dst) },
};

static const struct {
	const char *name;
	uint32_t hook;
	bool out;
} chains[] = {
	{ "in", NF_INET_LOCAL_IN, false },
	{ "out", NF_INET_LOCAL_OUT, true },
};

/* A table being filled: sent whenever the batch is full, so the rules come last. */
struct filling {
	int sock;
	struct batch *b;
	uint64_t timeout_ms; /* of the elements; 0: none */
};

void netlock_conns_done(struct netlock_conns *c)
{
	free(c->v);
	free(c->ports);
	*c = (struct netlock_conns){ 0 };
}

static void put_set(struct filling *f, const char *name, uint32_t type, uint32_t len)
{
	struct nftnl_set *s = nftnl_set_alloc();

	if (!s) {
		f->b->oom = true;
		return;
	}
	nftnl_set_set_str(s, NFTNL_SET_TABLE, f->b->table);
	nftnl_set_set_str(s, NFTNL_SET_NAME, name);
	nftnl_set_set_u32(s, NFTNL_SET_ID, f->b->seq);
	nftnl_set_set_u32(s, NFTNL_SET_KEY_TYPE, type);
	nftnl_set_set_u32(s, NFTNL_SET_KEY_LEN, len);
	if (f->timeout_ms) {
		nftnl_set_set_u32(s, NFTNL_SET_FLAGS, NFT_SET_TIMEOUT);
		nftnl_set_set_u64(s, NFTNL_SET_TIMEOUT, f->timeout_ms);
	}
	nftnl_set_nlmsg_build_payload(batch_msg(f->b, NFT_MSG_NEWSET, NLM_F_CREATE), s);
	batch_next(f->b);
	nftnl_set_free(s);
}

static void put_sets(struct filling *f)
{
	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		put_set(f, families[i].set, families[i].key_type, families[i].key_len);
	if (!f->timeout_ms)
		put_set(f, PORTS, NFT_TYPE_PORT, sizeof(uint16_t));
}

/* Each part takes a multiple of four bytes. */
static void key_of(const struct family *k, const struct netlock_conn *c, uint8_t *ret)
{
	memset(ret, 0, k->key_len);
	memcpy(ret, c->local, k->addr_len);
	memcpy(ret + k->addr_len, &c->lport, sizeof(c->lport));
	memcpy(ret + k->addr_len + 4, c->remote, k->addr_len);
	memcpy(ret + 2 * (size_t)k->addr_len + 4, &c->rport, sizeof(c->rport));
}

static int set_add(struct nftnl_set *s, const void *key, uint32_t len)
{
	struct nftnl_set_elem *e = nftnl_set_elem_alloc();

	if (!e)
		return -ENOMEM;
	nftnl_set_elem_set(e, NFTNL_SET_ELEM_KEY, key, len);
	nftnl_set_elem_add(s, e);
	return 0;
}

static int next_batch(struct filling *f)
{
	struct batch *b = batch_new(f->b->table);
	int err = b ? batch_send(f->b, f->sock) : -ENOMEM;

	if (err < 0) {
		batch_free(&b);
		return err;
	}
	batch_free(&f->b);
	f->b = b;
	return 0;
}

/* The message of @s, which is freed. */
static int put_elements(struct filling *f, struct nftnl_set *s)
{
	nftnl_set_elems_nlmsg_build_payload(batch_msg(f->b, NFT_MSG_NEWSETELEM, NLM_F_CREATE), s);
	nftnl_set_free(s);
	batch_next(f->b);
	return batch_room(f->b) < BATCH_SIZE / 2 ? next_batch(f) : 0;
}

static struct nftnl_set *elements_begin(const struct filling *f, const char *set)
{
	struct nftnl_set *s = nftnl_set_alloc();

	if (s) {
		nftnl_set_set_str(s, NFTNL_SET_TABLE, f->b->table);
		nftnl_set_set_str(s, NFTNL_SET_NAME, set);
	}
	return s;
}

static int put_conns(struct filling *f, const struct family *k, const struct netlock_conn *v, size_t n)
{
	size_t i = 0;
	int err = 0;

	while (i < n && err == 0) {
		struct nftnl_set *s = elements_begin(f, k->set);
		size_t added = 0;

		for (; s && err == 0 && i < n && added < CHUNK; i++) {
			uint8_t key[40];

			if (v[i].family != k->family)
				continue;
			key_of(k, &v[i], key);
			err = set_add(s, key, k->key_len);
			added++;
		}
		if (!s || err < 0 || !added) {
			if (s)
				nftnl_set_free(s);
			return s ? err : -ENOMEM;
		}
		err = put_elements(f, s);
	}
	return err;
}

static int put_ports(struct filling *f, const struct netlock_conns *c)
{
	size_t i = 0;
	int err = 0;

	while (i < c->n_ports && err == 0) {
		struct nftnl_set *s = elements_begin(f, PORTS);

		for (size_t end = i + CHUNK; s && err == 0 && i < c->n_ports && i < end; i++)
			err = set_add(s, &c->ports[i], sizeof(c->ports[i]));
		if (!s || err < 0) {
			if (s)
				nftnl_set_free(s);
			return -ENOMEM;
		}
		err = put_elements(f, s);
	}
	return err;
}

static void put_conn_rule(struct batch *b, const char *chain, const struct family *k, bool out)
{
	const uint32_t words = k->addr_len / 4;
	const struct payload src = { NFT_PAYLOAD_NETWORK_HEADER, k->src, k->addr_len },
			     dst = { NFT_PAYLOAD_NETWORK_HEADER, k->dst, k->addr_len },
			     sport = { NFT_PAYLOAD_TRANSPORT_HEADER, 0, 2 },
			     dport = { NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2 };
	struct nftnl_rule *r = rule_begin(b, chain);

	rule_meta(b, r, NFT_META_NFPROTO);
	rule_cmp(b, r, NFT_CMP_EQ, &k->nfproto, sizeof(k->nfproto));
	rule_l4proto(b, r, IPPROTO_TCP);
	rule_payload_to(b, r, out ? &src : &dst, 0);
	rule_payload_to(b, r, out ? &sport : &dport, words);
	rule_payload_to(b, r, out ? &dst : &src, words + 1);
	rule_payload_to(b, r, out ? &dport : &sport, 2 * words + 1);
	rule_lookup(b, r, k->set);
	rule_end(b, r, NF_DROP);
}

static void put_port_rule(struct batch *b, const char *chain)
{
	const struct payload dport = { NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2 };
	struct nftnl_rule *r = rule_begin(b, chain);

	rule_syn(b, r);
	rule_payload_to(b, r, &dport, 0);
	rule_lookup(b, r, PORTS);
	rule_end(b, r, NF_DROP);
}

static void put_rules(struct filling *f)
{
	for (size_t i = 0; i < ARRAY_SIZE(chains); i++) {
		batch_chain(f->b, chains[i].name, chains[i].hook, NF_ACCEPT);
		batch_mark_passes(f->b, chains[i].name);
		for (size_t j = 0; j < ARRAY_SIZE(families); j++)
			put_conn_rule(f->b, chains[i].name, &families[j], chains[i].out);
		if (!chains[i].out && !f->timeout_ms)
			put_port_rule(f->b, chains[i].name);
	}
}

static int fill_table(struct filling *f, const struct netlock_conns *c)
{
	int err = 0;

	put_sets(f);
	for (size_t i = 0; i < ARRAY_SIZE(families) && err == 0; i++)
		err = put_conns(f, &families[i], c->v, c->n);
	if (err == 0 && !f->timeout_ms)
		err = put_ports(f, c);
	if (err < 0)
		return err;
	put_rules(f);
	return batch_send(f->b, f->sock);
}

int netlock_open_conns(const struct netlock_conns *c, struct netlock_ns **ret)
{
	_cleanup_close_ int sock = netfilter_socket();
	_cleanup_free_ struct netlock_ns *l = calloc(1, sizeof(*l));
	struct filling f = { .sock = sock };
	char name[NETLOCK_NAME_MAX];
	int err;

	if (sock < 0)
		return sock;
	f.b = batch_new(netlock_table_name(name));
	if (!l || !f.b) {
		batch_free(&f.b);
		return -ENOMEM;
	}
	batch_table(f.b, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL, NFT_TABLE_F_OWNER);
	err = fill_table(&f, c);
	batch_free(&f.b);
	if (err < 0)
		return err;
	l->sock = take_fd(&sock);
	*ret = TAKE_PTR(l);
	return 0;
}

int netlock_add(struct netlock_ns *l, const struct netlock_conn *v, size_t n)
{
	struct filling f = { .sock = l->sock };
	char name[NETLOCK_NAME_MAX];
	int err = 0;

	f.b = batch_new(netlock_table_name(name));
	if (!f.b)
		return -ENOMEM;
	for (size_t i = 0; i < ARRAY_SIZE(families) && err == 0; i++)
		err = put_conns(&f, &families[i], v, n);
	if (err == 0)
		err = batch_send(f.b, f.sock);
	batch_free(&f.b);
	return err;
}

static struct batch *hold_batch(const char *id)
{
	char name[BATCH_NAME_MAX];
	int n = snprintf(name, sizeof(name), NETLOCK_HOLD "%s", id);

	return n < (int)sizeof(name) ? batch_new(name) : NULL;
}

/* One of the same name, of an earlier try, is replaced. */
int netlock_hold(const char *id, const struct netlock_conns *c, unsigned int seconds)
{
	struct filling f = { .sock = netfilter_socket(), .timeout_ms = 1000ULL * MAX(seconds, 1U) };
	int err;

	if (f.sock < 0)
		return f.sock;
	f.b = hold_batch(id);
	if (f.b) {
		batch_table(f.b, NFT_MSG_NEWTABLE, NLM_F_CREATE, 0);
		batch_table(f.b, NFT_MSG_DELTABLE, 0, 0);
		batch_table(f.b, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL, 0);
	}
	err = f.b ? fill_table(&f, c) : -ENOMEM;
	batch_free(&f.b);
	close_later(f.sock);
	return err;
}

int netlock_unhold(const char *id)
{
	char name[BATCH_NAME_MAX];
	int sock = netfilter_socket(), err;

	if (sock < 0)
		return sock;
	snprintf(name, sizeof(name), NETLOCK_HOLD "%s", id);
	err = table_delete(sock, name);
	close_later(sock);
	return err;
}
