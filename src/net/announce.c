/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tell switches and neighbours where the addresses are now: for every address of every Ethernet link
 * that is up, a gratuitous ARP request (RFC 5227, 3) or an unsolicited neighbour advertisement (RFC
 * 4861, 7.2.6). Sent by a packet socket, so no state of the namespace changes. Failures only delay
 * the first packet from a peer: warned of, not fatal.
 */
#include <arpa/inet.h>
#include <linux/if.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/icmp6.h>
#include <netinet/if_ether.h>
#include <netinet/ip6.h>
#include <sys/socket.h>

#include "base/io.h"
#include "base/log.h"
#include "base/netns.h"
#include "net/link.h"

struct frame_arp {
	struct ether_header eth;
	struct ether_arp arp;
} __attribute__((packed));

struct frame_na {
	struct ether_header eth;
	struct ip6_hdr ip;
	struct nd_neighbor_advert na;
	struct nd_opt_hdr opt;
	uint8_t mac[ETH_ALEN];
} __attribute__((packed));

void announce_arp(const uint8_t mac[6], const uint8_t addr[4], struct frame_arp *f);
void announce_na(const uint8_t mac[6], const uint8_t addr[16], struct frame_na *f);

void announce_arp(const uint8_t mac[6], const uint8_t addr[4], struct frame_arp *f)
{
	*f = (struct frame_arp){ .eth.ether_type = htons(ETH_P_ARP) };
	memset(f->eth.ether_dhost, 0xff, ETH_ALEN);
	memcpy(f->eth.ether_shost, mac, ETH_ALEN);
	f->arp.arp_hrd = htons(ARPHRD_ETHER);
	f->arp.arp_pro = htons(ETH_P_IP);
	f->arp.arp_hln = ETH_ALEN;
	f->arp.arp_pln = 4;
	f->arp.arp_op = htons(ARPOP_REQUEST);
	memcpy(f->arp.arp_sha, mac, ETH_ALEN);
	memcpy(f->arp.arp_spa, addr, 4);
	memcpy(f->arp.arp_tpa, addr, 4);
}

/* Ones' complement sum of big-endian words; @len is even. */
static uint32_t sum_words(uint32_t sum, const void *data, size_t len)
{
	const uint8_t *p = data;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += p[i] << 8 | p[i + 1];
	return sum;
}

void announce_na(const uint8_t mac[6], const uint8_t addr[16], struct frame_na *f)
{
	static const uint8_t all_nodes_mac[ETH_ALEN] = { 0x33, 0x33, 0, 0, 0, 1 };
	static const uint8_t all_nodes[16] = { 0xff, 0x02, [15] = 1 };
	const size_t len = sizeof(*f) - offsetof(struct frame_na, na);
	uint32_t sum;

	*f = (struct frame_na){ .eth.ether_type = htons(ETH_P_IPV6) };
	memcpy(f->eth.ether_dhost, all_nodes_mac, ETH_ALEN);
	memcpy(f->eth.ether_shost, mac, ETH_ALEN);
	f->ip.ip6_flow = htonl(6u << 28);
	f->ip.ip6_plen = htons(len);
	f->ip.ip6_nxt = IPPROTO_ICMPV6;
	f->ip.ip6_hlim = 255;
	memcpy(&f->ip.ip6_src, addr, 16);
	memcpy(&f->ip.ip6_dst, all_nodes, 16);
	f->na.nd_na_type = ND_NEIGHBOR_ADVERT;
	f->na.nd_na_flags_reserved = ND_NA_FLAG_OVERRIDE;
	memcpy(&f->na.nd_na_target, addr, 16);
	f->opt.nd_opt_type = ND_OPT_TARGET_LINKADDR;
	f->opt.nd_opt_len = 1;
	memcpy(f->mac, mac, ETH_ALEN);
	sum = sum_words(len + IPPROTO_ICMPV6, &f->ip.ip6_src, 32);
	sum = sum_words(sum, &f->na, len);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	f->na.nd_na_cksum = htons(~sum & 0xffff);
}

static int announce(int sock, const LinkEntry *l, const AddrEntry *a)
{
	const ProtobufCBinaryData *addr = a->has_local ? &a->local : &a->address;
	const struct sockaddr_ll to = { .sll_family = AF_PACKET,
					.sll_ifindex = l->index,
					.sll_halen = ETH_ALEN };
	struct frame_arp arp;
	struct frame_na na;
	ssize_t n;

	if (a->family == AF_INET) {
		announce_arp(l->address.data, addr->data, &arp);
		n = sendto(sock, &arp, sizeof(arp), 0, (const void *)&to, sizeof(to));
	} else {
		announce_na(l->address.data, addr->data, &na);
		n = sendto(sock, &na, sizeof(na), 0, (const void *)&to, sizeof(to));
	}
	return n < 0 ? -errno : 0;
}

int net_announce(struct rnet *n)
{
	int sock = netns_socket(n->ns_fd, AF_PACKET, SOCK_RAW, 0), err = 0;
	const int on = 1;
	size_t lost = 0;

	if (sock < 0)
		return log_errno(sock, "network namespace %u: packet socket", n->msg->ns_id);
	setsockopt(sock, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on)); /* not shaped, not filtered */
	for (size_t i = 0; i < n->msg->n_addrs; i++) {
		const AddrEntry *a = n->msg->addrs[i];
		const LinkEntry *l = link_entry(n->msg, a->index);
		int ret;

		if (!l || !(l->flags & IFF_UP) || (l->flags & (IFF_LOOPBACK | IFF_NOARP | IFF_POINTOPOINT)) ||
		    l->address.len != ETH_ALEN)
			continue;
		ret = announce(sock, l, a);
		if (!(l->flags & IFF_LOWER_UP))
			continue; /* it had no carrier: nobody may hear it */
		err = ret < 0 ? ret : err;
		lost += ret < 0;
	}
	if (lost)
		log_warn("network namespace %u: announcing %zu addresses: %s", n->msg->ns_id, lost,
			 strerror(-err));
	close_later(sock);
	return 0;
}
