/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Multicast addresses of the link layer that programs added (SIOCADDMULTI, ip maddr add): shown by
 * /proc/net/dev_mcast as users that are no part of the kernel. How often one was added is not shown.
 */
#include <fcntl.h>
#include <linux/if.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/io.h"
#include "base/log.h"
#include "base/netns.h"
#include "base/parse.h"
#include "net/link.h"

/* "INDEX NAME REFERENCES USERS ADDRESS" */
static int take_line(NetEntry *net, const char *line)
{
	unsigned int index, users;
	uint8_t addr[14];
	size_t len = 0;
	int at = 0;

	if (sscanf(line, "%u %*s %*u %u %n", &index, &users, &at) != 2 || !users || !at)
		return 0;
	for (const char *p = line + at; len < sizeof(addr) && sscanf(p, "%2hhx", &addr[len]) == 1; p += 2)
		len++;
	for (size_t i = 0; i < net->n_links; i++) {
		LinkEntry *m = net->links[i];

		if (m->index != index)
			continue;
		if (!GROW(m->maddrs, m->n_maddrs) || bytes_copy(&m->maddrs[m->n_maddrs], addr, len) < 0)
			return -ENOMEM;
		m->n_maddrs++;
	}
	return 0;
}

static int read_inside(void *arg)
{
	return read_text_at(AT_FDCWD, "/proc/thread-self/net/dev_mcast", arg);
}

int maddrs_dump(struct net_dump *n)
{
	_cleanup_free_ char *text = NULL;
	char *next, *line;
	int ret = netns_call(n->ns->fd, read_inside, &text);

	for (next = text; ret == 0 && (line = next_line(&next));)
		ret = take_line(n->msg, line);
	return ret < 0 ? log_errno(ret, "network namespace %u: multicast addresses of links", n->msg->ns_id)
		       : 0;
}

static int add(int sock, const LinkEntry *m, const ProtobufCBinaryData *addr)
{
	struct ifreq ifr = { .ifr_hwaddr.sa_family = AF_UNSPEC };

	if (addr->len > sizeof(ifr.ifr_hwaddr.sa_data))
		return -EBADMSG;
	strncpy(ifr.ifr_name, m->name, IFNAMSIZ - 1);
	memcpy(ifr.ifr_hwaddr.sa_data, addr->data, addr->len);
	return ioctl(sock, SIOCADDMULTI, &ifr) < 0 ? -errno : 0;
}

int maddrs_restore(struct rnet *n)
{
	_cleanup_close_ int sock = -1;

	for (size_t i = 0; i < n->msg->n_links; i++) {
		const LinkEntry *m = n->msg->links[i];

		for (size_t j = 0; j < m->n_maddrs; j++) {
			int ret = 0;

			if (sock < 0)
				sock = netns_socket(n->ns_fd, AF_INET, SOCK_DGRAM, 0);
			ret = sock < 0 ? sock : add(sock, m, &m->maddrs[j]);
			if (ret < 0)
				return log_errno(ret, "link %s: multicast address", m->name);
		}
	}
	return 0;
}
