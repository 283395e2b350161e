/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests of sock_diag(7), on a socket made in the network namespace that is asked about. */
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/netns.h"
#include "sock/inet.h"
#include "sock/sk.h"
#include "sock/sock.h"
#include "sock/unix.h"
#include "sock/waiting.h"

struct answer {
	sk_diag_fn fn;
	void *arg;
};

int sk_diag_ns(struct dump *d, int nsfd)
{
	struct stat st;
	intptr_t known;
	int sock;

	if (fstat(nsfd, &st) < 0)
		return -errno;
	if (!sk_table(d))
		return -ENOMEM;
	known = (intptr_t)map_get(&d->socks->diag, st.st_ino);
	if (known)
		return known - 1;
	sock = netns_socket(nsfd, AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG);
	if (sock >= 0 && map_put(&d->socks->diag, st.st_ino, (void *)((intptr_t)sock + 1)) < 0) {
		close(sock);
		return -ENOMEM;
	}
	return sock;
}

int sk_diag_of(struct dump *d, int fd)
{
	_cleanup_close_ int nsfd = ioctl(fd, SIOCGSKNS);

	return nsfd < 0 ? -errno : sk_diag_ns(d, nsfd);
}

static void free_values(struct map *m)
{
	for (size_t i = 0; i < m->cap; i++)
		free(m->slots[i].val);
	map_done(m);
}

void sock_dump_done(struct dump *d)
{
	if (!d->socks)
		return;
	steward_done(d);
	for (size_t i = 0; i < d->socks->diag.cap; i++)
		if (d->socks->diag.slots[i].val)
			close((intptr_t)d->socks->diag.slots[i].val - 1);
	map_done(&d->socks->diag);
	map_done(&d->socks->inodes);
	map_done(&d->socks->asked);
	free_values(&d->socks->connecting);
	free_values(&d->socks->md5);
	free_values(&d->socks->hidden);
	free_values(&d->socks->labels);
	map_done(&d->socks->groups);
	map_done(&d->socks->md5_asked);
	unix_collect_done(d->socks);
	waiting_done(d->socks);
	free(d->socks->tcp);
	free(d->socks);
	d->socks = NULL;
}

static int answer_one(const struct nlmsghdr *nlh, void *data)
{
	struct answer *a = data;
	int ret = a->fn(a->arg, mnl_nlmsg_get_payload(nlh), mnl_nlmsg_get_payload_len(nlh));

	if (ret < 0) {
		errno = -ret;
		return MNL_CB_ERROR;
	}
	return nlh->nlmsg_flags & NLM_F_MULTI ? MNL_CB_OK : MNL_CB_STOP;
}

int sk_diag_on(int sock, const void *req, size_t len, bool dump, sk_diag_fn fn, void *arg)
{
	struct answer a = { fn, arg };
	_cleanup_free_ char *buf = malloc(65536);
	struct nlmsghdr *nlh;
	int ret = MNL_CB_OK;

	if (!buf)
		return -ENOMEM;
	nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	nlh->nlmsg_flags = NLM_F_REQUEST | (dump ? NLM_F_DUMP : 0);
	memcpy(mnl_nlmsg_put_extra_header(nlh, len), req, len);
	if (send(sock, nlh, nlh->nlmsg_len, 0) < 0)
		return -errno;
	while (ret == MNL_CB_OK) {
		ssize_t n = recv(sock, buf, 65536, 0);

		if (n < 0)
			return -errno;
		ret = mnl_cb_run(buf, n, 0, 0, answer_one, &a);
	}
	return ret < 0 ? -errno : 0;
}

int sk_diag(struct dump *d, int fd, const void *req, size_t len, bool dump, sk_diag_fn fn, void *arg)
{
	int sock = sk_diag_of(d, fd);

	return sock < 0 ? sock : sk_diag_on(sock, req, len, dump, fn, arg);
}

int sk_diag_tcp(int sock, unsigned int states, uint8_t ext, sk_diag_fn fn, void *arg)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	int err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(families) && err >= 0; i++) {
		const struct inet_diag_req_v2 req = {
			.sdiag_family = families[i],
			.sdiag_protocol = IPPROTO_TCP,
			.idiag_ext = ext,
			.idiag_states = states,
		};

		err = sk_diag_on(sock, &req, sizeof(req), true, fn, arg);
	}
	return err;
}
