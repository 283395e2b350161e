/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/io.h"
#include "base/netns.h"
#include "net/rtnl.h"

#define LIST_TRIES 10
#define RECV_SIZE 65536

int rtnl_open_protocol(int netns_fd, int protocol, struct rtnl *ret)
{
	_cleanup_close_ int fd = -1;
	const struct timeval patience = { .tv_sec = 10 }; /* the container is held meanwhile */
	const int on = 1, size = 1 << 20;

	if (netns_fd >= 0)
		fd = netns_socket(netns_fd, AF_NETLINK, SOCK_RAW, protocol);
	else
		fd = RET_NERRNO(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
	if (fd < 0)
		return fd;
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	*ret = (struct rtnl){ .fd = netns_fd >= 0 ? take_fd(&fd) : fd_high(take_fd(&fd)) };
	return ret->fd < 0 ? ret->fd : 0;
}

int rtnl_open(int netns_fd, struct rtnl *ret)
{
	return rtnl_open_protocol(netns_fd, NETLINK_ROUTE, ret);
}

void rtnl_close(struct rtnl *rt)
{
	close_fd(&rt->fd);
}

void rtnl_begin(struct rtnl_req *q, uint16_t type, uint16_t flags, const void *fam, size_t len)
{
	memset(&q->h, 0, sizeof(q->h));
	mnl_nlmsg_put_header(&q->h);
	q->h.nlmsg_type = type;
	q->h.nlmsg_flags = NLM_F_REQUEST | flags;
	memcpy(mnl_nlmsg_put_extra_header(&q->h, len), fam, len);
}

int rtnl_put_raw(struct rtnl_req *q, const void *data, size_t len)
{
	size_t at = NLMSG_ALIGN(q->h.nlmsg_len);

	if (at + NLMSG_ALIGN(len) > sizeof(*q))
		return -E2BIG;
	memset((char *)&q->h + at, 0, NLMSG_ALIGN(len));
	if (len)
		memcpy((char *)&q->h + at, data, len);
	q->h.nlmsg_len = at + NLMSG_ALIGN(len);
	return 0;
}

int rtnl_put(struct rtnl_req *q, uint16_t type, const void *data, size_t len)
{
	if (len > UINT16_MAX - MNL_ATTR_HDRLEN)
		return -E2BIG;
	return mnl_attr_put_check(&q->h, sizeof(*q), type, len, data) ? 0 : -E2BIG;
}

int rtnl_put_str(struct rtnl_req *q, uint16_t type, const char *text)
{
	return rtnl_put(q, type, text, strlen(text) + 1);
}

/* Remember the kernel's words: NLMSGERR_ATTR_MSG follows the (capped) error header. */
static void keep_why(struct rtnl *rt, const struct nlmsghdr *h)
{
	const struct nlattr *tb[NLMSGERR_ATTR_MSG + 1] = { 0 };
	const char *text;

	rt->why[0] = '\0';
	if (!(h->nlmsg_flags & NLM_F_ACK_TLVS) ||
	    rtnl_attrs(h, sizeof(struct nlmsgerr), tb, NLMSGERR_ATTR_MSG) < 0)
		return;
	text = rtnl_str(tb[NLMSGERR_ATTR_MSG]);
	if (text)
		snprintf(rt->why, sizeof(rt->why), "%s", text);
}

static int msgs_add(struct rtnl_msgs *m, const struct nlmsghdr *h)
{
	struct nlmsghdr *copy;

	if (!GROW(m->v, m->n))
		return -ENOMEM;
	copy = malloc(NLMSG_ALIGN(h->nlmsg_len));
	if (!copy)
		return -ENOMEM;
	memcpy(copy, h, h->nlmsg_len);
	m->v[m->n++] = copy;
	return 0;
}

void rtnl_msgs_done(struct rtnl_msgs *m)
{
	for (size_t i = 0; i < m->n; i++)
		free(m->v[i]);
	free(m->v);
	*m = (struct rtnl_msgs){ 0 };
}

/* One message of an answer: 1 = the answer is complete, 0 = more to come. */
static int take_msg(struct rtnl *rt, const struct nlmsghdr *h, struct rtnl_msgs *m, bool *intr)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(h);
	int ret;

	if (h->nlmsg_seq != rt->seq)
		return 0; /* of an earlier request that was given up */
	if (h->nlmsg_flags & NLM_F_DUMP_INTR)
		*intr = true;
	if (h->nlmsg_type == NLMSG_DONE) {
		if (mnl_nlmsg_get_payload_len(h) >= sizeof(int) && *(const int *)e < 0)
			return *(const int *)e;
		return 1;
	}
	if (h->nlmsg_type == NLMSG_ERROR) {
		if (mnl_nlmsg_get_payload_len(h) < sizeof(*e))
			return -EPROTO;
		if (e->error)
			keep_why(rt, h);
		return e->error ? e->error : 1;
	}
	ret = m ? msgs_add(m, h) : 0;
	return ret < 0 ? ret : !(h->nlmsg_flags & NLM_F_MULTI) && m ? 1 : 0;
}

static int send_req(struct rtnl *rt, struct rtnl_req *q)
{
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

	rt->why[0] = '\0';
	q->h.nlmsg_seq = ++rt->seq;
	if (sendto(rt->fd, &q->h, q->h.nlmsg_len, 0, (const struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		return -errno;
	return 0;
}

static int receive(struct rtnl *rt, struct rtnl_msgs *m, bool *intr)
{
	_cleanup_free_ char *buf = malloc(RECV_SIZE);
	int ret = 0;

	if (!buf)
		return -ENOMEM;
	while (ret == 0) {
		int len = recv(rt->fd, buf, RECV_SIZE, MSG_TRUNC);
		const struct nlmsghdr *h = (void *)buf;

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return -errno;
		if (len > RECV_SIZE)
			return -EMSGSIZE;
		for (; ret == 0 && mnl_nlmsg_ok(h, len); h = mnl_nlmsg_next(h, &len))
			ret = take_msg(rt, h, m, intr);
	}
	return ret < 0 ? ret : 0;
}

int rtnl_do(struct rtnl *rt, struct rtnl_req *q)
{
	bool intr = false;
	int ret;

	q->h.nlmsg_flags |= NLM_F_ACK;
	ret = send_req(rt, q);
	return ret < 0 ? ret : receive(rt, NULL, &intr);
}

int rtnl_get(struct rtnl *rt, struct rtnl_req *q, struct nlmsghdr **ret)
{
	_cleanup_rtnl_msgs_ struct rtnl_msgs m = { 0 };
	bool intr = false;
	int err = send_req(rt, q);

	if (err < 0)
		return err;
	err = receive(rt, &m, &intr);
	if (err < 0)
		return err;
	if (m.n != 1)
		return -EPROTO;
	*ret = TAKE_PTR(m.v[0]);
	return 0;
}

int rtnl_list(struct rtnl *rt, struct rtnl_req *q, struct rtnl_msgs *ret)
{
	q->h.nlmsg_flags |= NLM_F_DUMP;
	for (int i = 0; i < LIST_TRIES; i++) {
		_cleanup_rtnl_msgs_ struct rtnl_msgs m = { 0 };
		bool intr = false;
		int err = send_req(rt, q);

		if (err == 0)
			err = receive(rt, &m, &intr);
		if (err < 0)
			return err;
		if (intr)
			continue;
		*ret = m;
		m = (struct rtnl_msgs){ 0 };
		return 0;
	}
	return -EAGAIN;
}

int rtnl_list_family(struct rtnl *rt, uint16_t type, uint8_t family, size_t fam_len, struct rtnl_msgs *ret)
{
	char fam[32] = { (char)family };
	struct rtnl_req q;

	if (fam_len > sizeof(fam))
		return -EINVAL;
	rtnl_begin(&q, type, 0, fam, fam_len);
	return rtnl_list(rt, &q, ret);
}

int rtnl_attrs_raw(const void *data, size_t len, const struct nlattr **tb, unsigned int max)
{
	const char *p = data;

	while (len >= MNL_ATTR_HDRLEN) {
		const struct nlattr *a = (const void *)p;
		size_t step = MNL_ALIGN(a->nla_len);

		if (a->nla_len < MNL_ATTR_HDRLEN || a->nla_len > len)
			return -EBADMSG;
		if (mnl_attr_get_type(a) <= max)
			tb[mnl_attr_get_type(a)] = a;
		if (step >= len)
			break;
		p += step;
		len -= step;
	}
	return 0;
}

int rtnl_attrs(const struct nlmsghdr *h, size_t fam_len, const struct nlattr **tb, unsigned int max)
{
	size_t at = MNL_ALIGN(fam_len), len = mnl_nlmsg_get_payload_len(h);

	if (len < fam_len)
		return -EBADMSG;
	if (len <= at)
		return 0;
	return rtnl_attrs_raw((const char *)mnl_nlmsg_get_payload(h) + at, len - at, tb, max);
}

uint32_t rtnl_u32(const struct nlattr *a, uint32_t def)
{
	return a && mnl_attr_get_payload_len(a) >= 4 ? mnl_attr_get_u32(a) : def;
}

uint8_t rtnl_u8(const struct nlattr *a, uint8_t def)
{
	return a && mnl_attr_get_payload_len(a) >= 1 ? mnl_attr_get_u8(a) : def;
}

const char *rtnl_str(const struct nlattr *a)
{
	const char *s;

	if (!a || mnl_attr_get_payload_len(a) == 0)
		return NULL;
	s = mnl_attr_get_payload(a);
	return memchr(s, '\0', mnl_attr_get_payload_len(a)) ? s : NULL;
}

int rtnl_link(struct rtnl *rt, const char *name, uint32_t index, struct nlmsghdr **ret)
{
	const struct ifinfomsg ifi = { .ifi_index = name ? 0 : (int)index };
	struct rtnl_req q;

	rtnl_begin(&q, RTM_GETLINK, 0, &ifi, sizeof(ifi));
	if (name)
		rtnl_put_str(&q, IFLA_IFNAME, name);
	return rtnl_get(rt, &q, ret);
}
