/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who has keys for TCP MD5 signatures (RFC 2385, TCP_MD5SIG of tcp(7)): sock_diag(7) tells, of sockets
 * that listen, connect or are connected, beside TCP_INFO. All of a namespace are asked for at once.
 */
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/tcp.h>

#include "sock/inet.h"
#include "sock/sk.h"

static int note_key(struct map *found, ino_t ino, const struct nlattr *a)
{
	const struct tcp_diag_md5sig *key = mnl_attr_get_payload(a);
	union sk_addr *addr;

	if (mnl_attr_get_payload_len(a) < sizeof(*key) || map_get(found, ino))
		return 0;
	addr = calloc(1, sizeof(*addr));
	if (!addr)
		return -ENOMEM;
	addr->sa.sa_family = key->tcpm_family;
	if (key->tcpm_family == AF_INET6)
		memcpy(&addr->in6.sin6_addr, key->tcpm_addr, sizeof(addr->in6.sin6_addr));
	else
		memcpy(&addr->in.sin_addr, key->tcpm_addr, sizeof(addr->in.sin_addr));
	if (map_put(found, ino, addr) < 0) {
		free(addr);
		return -ENOMEM;
	}
	return 0;
}

static int note_keys(void *arg, const void *payload, size_t len)
{
	const struct inet_diag_msg *m = payload;
	const struct nlattr *a = (const void *)(m + 1);

	for (len -= MIN(len, sizeof(*m)); mnl_attr_ok(a, (int)len); a = mnl_attr_next(a)) {
		int err = mnl_attr_get_type(a) == INET_DIAG_MD5SIG ? note_key(arg, m->idiag_inode, a) : 0;

		if (err < 0)
			return err;
		len -= MIN(len, (size_t)MNL_ALIGN(a->nla_len));
	}
	return 0;
}

int tcp_md5_peer(struct dump *d, int fd, ino_t ino, union sk_addr *ret)
{
	struct sock_table *t = sk_table(d);
	const union sk_addr *found;
	int sock = t ? sk_diag_of(d, fd) : -ENOMEM, err = 0;

	if (sock < 0)
		return sock;
	if (!map_get(&t->md5_asked, (uint64_t)sock)) {
		err = sk_diag_tcp(sock, -1U, 1 << (INET_DIAG_INFO - 1), note_keys, &t->md5);
		if (err >= 0)
			err = map_put(&t->md5_asked, (uint64_t)sock, t);
	}
	found = map_get(&t->md5, ino);
	if (err < 0 || !found)
		return err;
	*ret = *found;
	return 1;
}
