/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What net/ reads from users and images, and the edits of routing messages. */
#include <linux/fib_rules.h>
#include <linux/neighbour.h>
#include <linux/nexthop.h>
#include <linux/pkt_cls.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "net/outside.h"
#include "net/route.h"
#include "net/tc.h"

/* A message's payload under construction. */
struct payload {
	struct rtnl_req q;
	const void *data;
	size_t len;
};

static void payload_begin(struct payload *p, const void *fam, size_t len)
{
	rtnl_begin(&p->q, 0, 0, fam, len);
}

static void payload_end(struct payload *p)
{
	p->data = mnl_nlmsg_get_payload(&p->q.h);
	p->len = mnl_nlmsg_get_payload_len(&p->q.h);
}

static void route_attrs(const struct rtnl_req *q, const struct nlattr **tb)
{
	assert_int_equal(rtnl_attrs(&q->h, sizeof(struct rtmsg), tb, RTA_MAX), 0);
}

static void test_link_ends(void **state)
{
	static const char *const bad[] = { "",	       "@br0",
					   "veth@",    "sixteen-chars-xx",
					   "a/b",      "a:b",
					   "a b@br0",  "veth%d",
					   "..",       ".",
					   "v,",       ",",
					   "v,netns=", "v,container=",
					   "v,pid=0",  "v,pid=",
					   "v,hosts",  "@,host",
					   "v@b@c/d",  "v,netns",
					   "v@,pid=1", "v,pid=4294967295" };
	struct link_end e;

	assert_int_equal(link_end_parse("vethX@br0", &e), 0);
	assert_string_equal(e.name, "vethX");
	assert_string_equal(e.bridge, "br0");
	assert_int_equal(e.where, END_UNSAID);
	assert_int_equal(link_end_parse("vethX", &e), 0);
	assert_string_equal(e.bridge, "");
	assert_int_equal(link_end_parse("v@b,netns=a@b,c", &e), 0);
	assert_string_equal(e.bridge, "b");
	assert_int_equal(e.where, END_NETNS);
	assert_string_equal(e.place, "a@b,c");
	assert_int_equal(link_end_parse(",container=/srv/lxc/web", &e), 0);
	assert_string_equal(e.name, "");
	assert_int_equal(e.where, END_CONTAINER);
	assert_string_equal(e.place, "/srv/lxc/web");
	assert_int_equal(link_end_parse("@br1,pid=77", &e), 0);
	assert_string_equal(e.bridge, "br1");
	assert_int_equal(e.where, END_PID);
	assert_int_equal(e.pid, 77);
	assert_int_equal(link_end_parse("v,host", &e), 0);
	assert_int_equal(e.where, END_HOST);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(link_end_parse(bad[i], &e), -EINVAL);
}

struct far {
	NetEntry net;
	LinkEntry link, *links[1], end;
	PeerEntry peer;
	OutsideEntry o, *outside[1];
	AddrEntry addr, *addrs[1];
	ProtobufCBinaryData route;
	struct rtnl_req q;
	struct rnet n;
};

/* A link with its other end outside, as an image has it. */
static void far_make(struct far *f)
{
	const struct rtmsg rtm = { .rtm_family = AF_INET, .rtm_dst_len = 8, .rtm_type = RTN_UNICAST };
	static uint8_t ten[4] = { 10, 0, 0, 1 };
	static char eth0[] = "eth0", veth[] = "veth", p1[] = "p1";
	const uint32_t oif = 7;

	memset(f, 0, sizeof(*f));
	net_entry__init(&f->net);
	link_entry__init(&f->link);
	link_entry__init(&f->end);
	peer_entry__init(&f->peer);
	outside_entry__init(&f->o);
	addr_entry__init(&f->addr);
	f->link.index = 2;
	f->link.name = eth0;
	f->end.index = f->peer.index = f->addr.index = oif;
	f->end.name = p1;
	f->link.kind = f->end.kind = veth;
	f->link.peer = &f->peer;
	f->peer.ns_id = NS_OUTSIDE;
	f->addr.family = AF_INET;
	f->addr.prefixlen = 24;
	f->addr.address = (ProtobufCBinaryData){ 4, ten };
	rtnl_begin(&f->q, 0, 0, &rtm, sizeof(rtm));
	rtnl_put(&f->q, RTA_OIF, &oif, 4);
	f->route =
		(ProtobufCBinaryData){ f->q.h.nlmsg_len - NLMSG_HDRLEN, (uint8_t *)&f->q.h + NLMSG_HDRLEN };
	f->links[0] = &f->link;
	f->addrs[0] = &f->addr;
	f->outside[0] = &f->o;
	f->net.links = f->links;
	f->net.outside = f->outside;
	f->net.n_links = f->net.n_outside = f->o.n_addrs = f->o.n_routes = 1;
	f->o.link = 2;
	f->o.end = &f->end;
	f->o.addrs = f->addrs;
	f->o.routes = &f->route;
	f->n.msg = &f->net;
}

static void test_other_ends(void **state)
{
	static char relative[] = "etc/passwd", none[] = "", vlan[] = "vlan", bad[] = "a/b",
		    path[] = "/run/netns/x";
	uint8_t bytes[11] = { 0 };
	ProtobufCBinaryData shorter = { sizeof(bytes), bytes };
	struct far f;

	far_make(&f);
	assert_int_equal(outside_plan(&f.n), 0);
	f.peer.ns_id = 0; /* on the host */
	f.o.netns = f.o.container = NULL;
	assert_int_equal(outside_plan(&f.n), 0);
#define DAMAGED(what)                                           \
	do {                                                    \
		far_make(&f);                                   \
		what;                                           \
		assert_int_equal(outside_plan(&f.n), -EBADMSG); \
	} while (0)
	DAMAGED(f.o.link = 3);
	DAMAGED(f.link.peer = NULL);
	DAMAGED(f.peer.ns_id = 5);
	DAMAGED(f.peer.ns_id = 0; f.o.netns = path);
	DAMAGED(f.peer.ns_id = 0; f.o.container = path);
	DAMAGED(f.peer.ns_id = 0; f.o.end = NULL; f.o.n_addrs = f.o.n_routes = 0);
	DAMAGED(f.o.netns = relative);
	DAMAGED(f.o.container = none);
	DAMAGED(f.o.end = NULL);
	DAMAGED(f.o.n_addrs = 1 << 20);
	DAMAGED(f.end.kind = vlan);
	DAMAGED(f.end.name = bad);
	DAMAGED(f.end.index = 0);
	DAMAGED(f.end.has_master = true; f.end.master = 3);
	DAMAGED(f.addr.index = 2);
	DAMAGED(f.addr.address.len = 16);
	DAMAGED(f.end.index = f.addr.index = 8); /* not the route's */
	DAMAGED(f.route.len = 5);
	DAMAGED(f.o.neighbours = &shorter; f.o.n_neighbours = 1);
	DAMAGED(f.route.len = 1 << 20);
#undef DAMAGED
}

static void test_address_text(void **state)
{
	uint8_t addr[16];
	uint32_t len;
	int family;

	assert_int_equal(addr_parse_text("10.0.3.7/24", &family, addr, &len), 0);
	assert_int_equal(family, AF_INET);
	assert_int_equal(len, 24);
	assert_memory_equal(addr, "\x0a\0\x03\x07", 4);
	assert_int_equal(addr_parse_text("fd00::1/64", &family, addr, &len), 0);
	assert_int_equal(family, AF_INET6);
	assert_int_equal(addr_parse_text("10.0.3.7", &family, addr, &len), -EINVAL);
	assert_int_equal(addr_parse_text("10.0.3.7/33", &family, addr, &len), -EINVAL);
	assert_int_equal(addr_parse_text("10.0.3/24", &family, addr, &len), -EINVAL);
	assert_int_equal(addr_parse_text("fd00::1/129", &family, addr, &len), -EINVAL);
	assert_int_equal(addr_parse_text("/24", &family, addr, &len), -EINVAL);
}

static void test_sysctl_names_stay_below(void **state)
{
	assert_true(sysctl_name_ok("ipv4/conf/eth0.100/forwarding"));
	assert_true(sysctl_name_ok("ipv4/conf/a..b/forwarding"));
	assert_false(sysctl_name_ok(""));
	assert_false(sysctl_name_ok("/etc/passwd"));
	assert_false(sysctl_name_ok("ipv4/../../kernel/core_pattern"));
	assert_false(sysctl_name_ok(".."));
	assert_false(sysctl_name_ok("ipv4/.."));
	assert_false(sysctl_name_ok("./ipv4"));
	assert_false(sysctl_name_ok("ipv4//x"));
	assert_false(sysctl_name_ok("ipv4/"));
}

static void test_sysctl_order_and_choice(void **state)
{
	assert_int_equal(sysctl_pass("ipv4/conf/all/forwarding"), 0);
	assert_int_equal(sysctl_pass("ipv6/conf/default/forwarding"), 0);
	assert_int_equal(sysctl_pass("ipv4/conf/eth0/forwarding"), 1);
	assert_false(sysctl_kept("ipv4/ip_forward"));
	assert_false(sysctl_kept("ipv6/conf/eth0/addr_gen_mode"));
	assert_true(sysctl_kept("ipv6/conf/default/addr_gen_mode"));
	assert_true(sysctl_kept("ipv4/tcp_fin_timeout"));
}

static void test_route_flags_and_age(void **state)
{
	const struct rtmsg rtm = { .rtm_family = AF_INET6,
				   .rtm_protocol = RTPROT_RA,
				   .rtm_type = RTN_UNICAST,
				   .rtm_flags = RTNH_F_LINKDOWN | RTNH_F_ONLINK | RTNH_F_DEAD };
	const struct rta_cacheinfo ci = { .rta_expires = 4200 };
	const struct nlattr *tb[RTA_MAX + 1] = { 0 };
	uint32_t oif = 5;
	struct payload p;
	struct rtnl_req q;

	payload_begin(&p, &rtm, sizeof(rtm));
	rtnl_put(&p.q, RTA_OIF, &oif, 4);
	rtnl_put(&p.q, RTA_CACHEINFO, &ci, sizeof(ci));
	payload_end(&p);
	assert_int_equal(route_edit(p.data, p.len, &q), 0);
	assert_int_equal(((struct rtmsg *)mnl_nlmsg_get_payload(&q.h))->rtm_flags, RTNH_F_ONLINK);
	route_attrs(&q, tb);
	assert_null(tb[RTA_CACHEINFO]);
	assert_int_equal(rtnl_u32(tb[RTA_EXPIRES], 0), 42);
	assert_int_equal(rtnl_u32(tb[RTA_OIF], 0), 5);
}

static void test_route_kernel_local_is_skipped(void **state)
{
	struct rtmsg rtm = { .rtm_family = AF_INET6, .rtm_protocol = RTPROT_KERNEL, .rtm_type = RTN_LOCAL };
	struct payload p;
	struct rtnl_req q;

	payload_begin(&p, &rtm, sizeof(rtm));
	payload_end(&p);
	assert_int_equal(route_edit(p.data, p.len, &q), 1);
	rtm.rtm_family = AF_INET;
	rtm.rtm_flags = RTM_F_CLONED;
	payload_begin(&p, &rtm, sizeof(rtm));
	payload_end(&p);
	assert_int_equal(route_edit(p.data, p.len, &q), 1);
	rtm.rtm_flags = 0;
	payload_begin(&p, &rtm, sizeof(rtm));
	payload_end(&p);
	assert_int_equal(route_edit(p.data, p.len, &q), 0);
	rtm.rtm_family = AF_UNIX;
	payload_begin(&p, &rtm, sizeof(rtm));
	payload_end(&p);
	assert_int_equal(route_edit(p.data, p.len, &q), -EBADMSG);
}

static void test_route_of_nexthop_object(void **state)
{
	const struct rtmsg rtm = { .rtm_family = AF_INET, .rtm_type = RTN_UNICAST };
	const struct nlattr *tb[RTA_MAX + 1] = { 0 };
	uint32_t id = 7, oif = 3, gw = 0x0100000a;
	struct payload p;
	struct rtnl_req q;

	payload_begin(&p, &rtm, sizeof(rtm));
	rtnl_put(&p.q, RTA_NH_ID, &id, 4);
	rtnl_put(&p.q, RTA_OIF, &oif, 4);
	rtnl_put(&p.q, RTA_GATEWAY, &gw, 4);
	payload_end(&p);
	assert_true(route_has_gateway(p.data, p.len));
	assert_int_equal(route_edit(p.data, p.len, &q), 0);
	route_attrs(&q, tb);
	assert_int_equal(rtnl_u32(tb[RTA_NH_ID], 0), 7);
	assert_null(tb[RTA_OIF]);
	assert_null(tb[RTA_GATEWAY]);
}

static void test_route_multipath(void **state)
{
	const struct rtmsg rtm = { .rtm_family = AF_INET, .rtm_type = RTN_UNICAST };
	struct {
		struct rtnexthop h[2];
	} hops = { .h = { { .rtnh_len = 8, .rtnh_flags = RTNH_F_LINKDOWN, .rtnh_ifindex = 2 },
			  { .rtnh_len = 8, .rtnh_flags = RTNH_F_ONLINK | RTNH_F_DEAD, .rtnh_ifindex = 3 } } };
	const struct nlattr *tb[RTA_MAX + 1] = { 0 };
	const struct rtnexthop *h;
	struct payload p;
	struct rtnl_req q;

	payload_begin(&p, &rtm, sizeof(rtm));
	rtnl_put(&p.q, RTA_MULTIPATH, &hops, sizeof(hops));
	payload_end(&p);
	assert_false(route_has_gateway(p.data, p.len));
	assert_int_equal(route_edit(p.data, p.len, &q), 0);
	route_attrs(&q, tb);
	h = mnl_attr_get_payload(tb[RTA_MULTIPATH]);
	assert_int_equal(h[0].rtnh_flags, 0);
	assert_int_equal(h[1].rtnh_flags, RTNH_F_ONLINK);
	hops.h[1].rtnh_len = 200; /* beyond the end */
	payload_begin(&p, &rtm, sizeof(rtm));
	rtnl_put(&p.q, RTA_MULTIPATH, &hops, sizeof(hops));
	payload_end(&p);
	assert_int_equal(route_edit(p.data, p.len, &q), -EBADMSG);
}

static void test_damaged_messages(void **state)
{
	const uint8_t junk[] = { AF_INET, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 200, 0, 1, 0 };
	struct rtnl_req q;

	for (size_t n = 0; n < 12; n++) {
		assert_int_equal(route_edit(junk, n, &q), -EBADMSG);
		assert_int_equal(rule_edit(junk, n, &q), -EBADMSG);
		assert_int_equal(neighbour_edit(junk, n, &q), -EBADMSG);
	}
	assert_int_equal(route_edit(junk, sizeof(junk), &q), -EBADMSG);
	assert_int_equal(rule_edit(junk, sizeof(junk), &q), -EBADMSG);
	assert_int_equal(neighbour_edit(junk, sizeof(junk), &q), -EBADMSG);
	assert_int_equal(nexthop_edit(junk, 4, &q), -EBADMSG);
}

static void test_rule_zero_gets_its_priority(void **state)
{
	const struct fib_rule_hdr frh = { .family = AF_INET,
					  .action = FR_ACT_TO_TBL,
					  .flags = FIB_RULE_PERMANENT };
	const struct nlattr *tb[FRA_MAX + 1] = { 0 };
	uint32_t pref = 99;
	struct payload p;
	struct rtnl_req q;

	payload_begin(&p, &frh, sizeof(frh));
	payload_end(&p);
	assert_int_equal(rule_edit(p.data, p.len, &q), 0);
	assert_int_equal(rtnl_attrs(&q.h, sizeof(frh), tb, FRA_MAX), 0);
	assert_non_null(tb[FRA_PRIORITY]);
	assert_int_equal(rtnl_u32(tb[FRA_PRIORITY], 1), 0);
	assert_int_equal(((struct fib_rule_hdr *)mnl_nlmsg_get_payload(&q.h))->flags, 0);
	payload_begin(&p, &frh, sizeof(frh));
	rtnl_put(&p.q, FRA_PRIORITY, &pref, 4);
	payload_end(&p);
	assert_int_equal(rule_edit(p.data, p.len, &q), 0);
	assert_int_equal(rtnl_attrs(&q.h, sizeof(frh), tb, FRA_MAX), 0);
	assert_int_equal(rtnl_u32(tb[FRA_PRIORITY], 0), 99);
}

static void test_nexthop(void **state)
{
	const struct nhmsg nh = { .nh_family = AF_INET, .nh_scope = RT_SCOPE_LINK, .nh_flags = RTNH_F_DEAD };
	const struct nexthop_grp grp = { .id = 5 };
	uint32_t id = 4;
	struct payload p;
	struct rtnl_req q;

	payload_begin(&p, &nh, sizeof(nh));
	rtnl_put(&p.q, NHA_ID, &id, 4);
	payload_end(&p);
	assert_false(nexthop_is_group(p.data, p.len));
	assert_int_equal(nexthop_edit(p.data, p.len, &q), 0);
	assert_int_equal(((struct nhmsg *)mnl_nlmsg_get_payload(&q.h))->nh_flags, 0);
	assert_int_equal(((struct nhmsg *)mnl_nlmsg_get_payload(&q.h))->nh_scope, 0);
	payload_begin(&p, &nh, sizeof(nh));
	rtnl_put(&p.q, NHA_GROUP, &grp, sizeof(grp));
	payload_end(&p);
	assert_true(nexthop_is_group(p.data, p.len));
}

static void test_request_does_not_overflow(void **state)
{
	static const char big[RTNL_REQ_MAX];
	const struct rtmsg rtm = { 0 };
	struct rtnl_req q;

	rtnl_begin(&q, RTM_NEWROUTE, 0, &rtm, sizeof(rtm));
	assert_int_equal(rtnl_put_raw(&q, big, sizeof(big) - 64), 0);
	assert_int_equal(rtnl_put_raw(&q, big, 64), -E2BIG);
	assert_int_equal(rtnl_put(&q, 1, big, 64), -E2BIG);
	assert_int_equal(rtnl_put(&q, 1, big, 70000), -E2BIG);
}

/* A u32 filter as the kernel shows it: flags and statistics of its own are not sent back. */
static void test_filter(void **state)
{
	const struct tcmsg tc = { .tcm_ifindex = 7, .tcm_handle = 0x80000800, .tcm_parent = 0x10000 };
	const uint32_t flags = TCA_CLS_FLAGS_NOT_IN_HW | TCA_CLS_FLAGS_SKIP_HW, count[4] = { 1 };
	const struct nlattr *tb[TCA_MAX + 1] = { 0 }, *u32[TCA_U32_MAX + 1] = { 0 };
	struct payload p;
	struct rtnl_req q;
	struct nlattr *nest;

	payload_begin(&p, &tc, sizeof(tc));
	rtnl_put_str(&p.q, TCA_KIND, "u32");
	nest = rtnl_nest(&p.q, TCA_OPTIONS);
	rtnl_put(&p.q, TCA_U32_FLAGS, &flags, 4);
	rtnl_put(&p.q, TCA_U32_PCNT, count, sizeof(count));
	mnl_attr_nest_end(&p.q.h, nest);
	payload_end(&p);
	assert_int_equal(filter_edit(p.data, p.len, &q), 0);
	assert_int_equal(rtnl_attrs(&q.h, sizeof(tc), tb, TCA_MAX), 0);
	assert_int_equal(rtnl_attrs_raw(mnl_attr_get_payload(tb[TCA_OPTIONS]),
					mnl_attr_get_payload_len(tb[TCA_OPTIONS]), u32, TCA_U32_MAX),
			 0);
	assert_int_equal(rtnl_u32(u32[TCA_U32_FLAGS], 0), TCA_CLS_FLAGS_SKIP_HW);
	assert_null(u32[TCA_U32_PCNT]);
	for (size_t len = 0; len < sizeof(tc); len++)
		assert_int_equal(filter_edit(p.data, len, &q), -EBADMSG);
	assert_int_equal(filter_edit(p.data, sizeof(tc), &q), -EBADMSG); /* no kind */
}

static void test_same_network(void **state)
{
	const uint8_t a[] = { 10, 0, 3, 7 }, b[] = { 10, 0, 2, 9 };

	assert_true(addr_same_network(a, b, 0));
	assert_true(addr_same_network(a, b, 16));
	assert_true(addr_same_network(a, b, 23));
	assert_false(addr_same_network(a, b, 24));
	assert_false(addr_same_network(a, b, 32));
	assert_true(addr_same_network(a, a, 32));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_link_ends),
		cmocka_unit_test(test_other_ends),
		cmocka_unit_test(test_address_text),
		cmocka_unit_test(test_sysctl_names_stay_below),
		cmocka_unit_test(test_sysctl_order_and_choice),
		cmocka_unit_test(test_route_flags_and_age),
		cmocka_unit_test(test_route_kernel_local_is_skipped),
		cmocka_unit_test(test_route_of_nexthop_object),
		cmocka_unit_test(test_route_multipath),
		cmocka_unit_test(test_damaged_messages),
		cmocka_unit_test(test_rule_zero_gets_its_priority),
		cmocka_unit_test(test_nexthop),
		cmocka_unit_test(test_request_does_not_overflow),
		cmocka_unit_test(test_filter),
		cmocka_unit_test(test_same_network),
	};

	return cmocka_run_group_tests_name("net", tests, NULL, NULL);
}
