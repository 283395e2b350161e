/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * epoll: events and data of targets; a target whose number is used otherwise now; a nested epoll; a
 * one-shot target that has fired stays silent; a target can be removed under its number.
 */
#include "zdtm.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void add(int ep, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event ev = { .events = events, .data.u64 = data };

	if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) < 0)
		pfail("EPOLL_CTL_ADD %d", fd);
}

int main(int argc, char **argv)
{
	int outer, inner, plain, moved, copy, shot, null, n;
	struct epoll_event ev[8];
	uint64_t one = 1, v;

	test_init(argc, argv);
	outer = epoll_create1(EPOLL_CLOEXEC);
	inner = epoll_create1(0);
	plain = eventfd(0, EFD_NONBLOCK);
	moved = eventfd(0, EFD_NONBLOCK);
	shot = eventfd(1, EFD_NONBLOCK);
	add(outer, inner, EPOLLIN, 0x1111222233334444ULL);
	add(outer, shot, EPOLLIN | EPOLLONESHOT, 5);
	add(inner, plain, EPOLLIN | EPOLLET, 2);
	add(inner, moved, EPOLLIN, 3);
	if (epoll_wait(outer, ev, 8, 0) != 1 || ev[0].data.u64 != 5)
		fail("setup: one-shot");
	copy = dup(moved);
	null = open("/dev/null", O_RDWR);
	if (copy < 0 || dup2(null, moved) != moved)
		pfail("dup");
	test_daemon();
	test_waitsig();
	if (epoll_wait(outer, ev, 8, 0) != 0)
		fail("an event (%llu) before anything happened", (unsigned long long)ev[0].data.u64);
	if (write(copy, &one, 8) != 8)
		pfail("write");
	if (epoll_wait(outer, ev, 8, 0) != 1 || ev[0].data.u64 != 0x1111222233334444ULL ||
	    ev[0].events != EPOLLIN)
		fail("nothing from the nested epoll");
	if (epoll_wait(inner, ev, 8, 0) != 1 || ev[0].data.u64 != 3)
		fail("the target whose number was reused");
	if (read(copy, &v, 8) != 8 || write(plain, &one, 8) != 8)
		pfail("read");
	n = epoll_wait(inner, ev, 8, 0);
	if (n != 1 || ev[0].data.u64 != 2 || epoll_wait(inner, ev, 8, 0) != 0)
		fail("edge-triggered target: %d", n);
	ev[0] = (struct epoll_event){ .events = EPOLLIN | EPOLLONESHOT, .data.u64 = 6 };
	if (epoll_ctl(outer, EPOLL_CTL_MOD, shot, ev) < 0 || epoll_ctl(inner, EPOLL_CTL_DEL, plain, NULL) < 0)
		pfail("EPOLL_CTL_MOD, _DEL");
	n = epoll_wait(outer, ev, 8, 0);
	if (n != 1 || ev[0].data.u64 != 6)
		fail("re-armed one-shot: %d", n);
	pass();
}
