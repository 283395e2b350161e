/* SPDX-License-Identifier: GPL-2.0-or-later */
/* modes: ns userns running twice */
/* dump: --tcp-established */
/* restore: --tcp-established */
/*
 * A connection whose receive window has closed for want of memory after a segment came out of order and
 * told of the peer's window: that segment lies beyond the window now. Nothing is lost; nor is room
 * promised to the peer that is not there.
 */
#include "repair.h"

#define FIRST 20000
#define REST 3000
#define AHEAD 40000
#define ROOM 10000

static char data[FIRST + REST], back[FIRST + REST];

struct state {
	unsigned int rcv_nxt, snd_nxt;
	struct tcp_repair_window window;
};

static void look(int fd, struct state *s)
{
	socklen_t len = sizeof(s->window);

	set_int(fd, IPPROTO_TCP, TCP_REPAIR, 1);
	set_int(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, TCP_RECV_QUEUE);
	s->rcv_nxt = get_int(fd, IPPROTO_TCP, TCP_QUEUE_SEQ);
	set_int(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, TCP_SEND_QUEUE);
	s->snd_nxt = get_int(fd, IPPROTO_TCP, TCP_QUEUE_SEQ);
	set_int(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, TCP_NO_QUEUE);
	if (getsockopt(fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, &s->window, &len))
		pfail("TCP_REPAIR_WINDOW");
	set_int(fd, IPPROTO_TCP, TCP_REPAIR, -1);
}

static unsigned int add(unsigned int sum, const void *data, size_t len)
{
	for (size_t i = 0; i + 1 < len; i += 2)
		sum += ((const unsigned char *)data)[i] << 8 | ((const unsigned char *)data)[i + 1];
	return sum;
}

/* Two bytes of the peer's, @seq on, with a window of its own. */
static void inject(int from, int to, unsigned int seq, unsigned int ack)
{
	struct {
		struct tcphdr h;
		char payload[2];
	} p = {
		.h = { .doff = 5, .ack = 1, .seq = htonl(seq), .ack_seq = htonl(ack), .window = htons(500) }
	};
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int raw = xsocket(AF_INET, SOCK_RAW, IPPROTO_TCP);
	unsigned int sum = 2 * (0x7f00 + 1) + IPPROTO_TCP + sizeof(p);

	p.h.source = htons(from);
	p.h.dest = htons(to);
	sum = add(sum, &p, sizeof(p));
	sum = (sum & 0xffff) + (sum >> 16);
	p.h.check = htons(~((sum & 0xffff) + (sum >> 16)));
	if (sendto(raw, &p, sizeof(p), 0, (struct sockaddr *)&a, sizeof(a)) != sizeof(p))
		pfail("a segment of our own");
	close(raw);
}

static void wait_unread(int fd, int want)
{
	while (recv(fd, back, sizeof(back), MSG_PEEK) < want)
		usleep(1000);
}

int main(int argc, char **argv)
{
	int client, server;
	struct tcp_pair p;
	struct state s;

	test_init(argc, argv);
	pattern_fill(data, sizeof(data), 7);
	xtcp_pair(&p, AF_INET);
	client = p.client;
	server = p.server;
	look(server, &s);
	inject(local_port(client), p.port, s.rcv_nxt + AHEAD, s.snd_nxt);
	if (send(client, data, FIRST, 0) != FIRST)
		pfail("send");
	wait_unread(server, FIRST);
	set_int(server, SOL_SOCKET, SO_RCVBUF, 1);
	if (send(client, data + FIRST, REST, 0) != REST)
		pfail("send");
	do {
		usleep(1000);
		look(server, &s);
	} while ((int)(s.window.snd_wl1 - s.rcv_nxt - s.window.rcv_wnd) <= 0);
	test_daemon();
	test_waitsig();
	look(server, &s);
	if (s.window.rcv_wup + s.window.rcv_wnd - s.rcv_nxt > ROOM)
		fail("%u bytes are promised", s.window.rcv_wup + s.window.rcv_wnd - s.rcv_nxt);
	expect_data(server, data, sizeof(data));
	xsend(server, "and back");
	expect_recv(client, "and back");
	pass();
}
