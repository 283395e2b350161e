/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Links and their settings that cannot be restored are all named at once, before anything is stopped. */
/* modes: ns */
/* refuse: link va (veth) has an XDP program, which is not supported; detach it */
/* refuse: link vd has a queueing discipline (htb 1:0), with a size table (stab), which is not supported */
/* refuse: link ve has a traffic filter (bpf 0:1), which is not supported; tc filter del */
/* refuse: its tap interface has a filter (TUNATTACHFILTER), which is not supported; detach it */
/* refuse: a program routes IPv4 multicast (ip_mr_vif), which is not supported; stop it */
/* refuse: a program routes IPv6 multicast (ip6_mr_vif), which is not supported; stop it */
/* refuse: has 0 IPsec states and 1 policies, which is not supported; ip xfrm state flush */
/* refuse: link vee has a BPF program (tcx), which is not supported; detach it */
/* refuse: the route to 10.45.0.0/16 has a BPF program, which is not supported; ip route del */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/lwtunnel.h>
#include <linux/mroute.h>
#include <linux/mroute6.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "bpf.h"
#include "netstate.h"

static const char *const setup[] = {
	"ip link add va type veth peer name vb && ip link set va up",
	"ip link add vd type veth peer name vdd",
	"tc qdisc add dev vd stab overhead 10 tsize 512 linklayer atm root handle 1: htb",
	"ip link add ve type veth peer name vee",
	"tc qdisc add dev ve clsact",
	"tc filter add dev ve egress bpf da bytecode '1,6 0 0 4294967295,'",
	"ip link add lo9 type veth peer name lo8",
	"ip link set tap7 up",
	"ip xfrm policy add src 10.1.0.0/24 dst 10.50.0.0/24 dir out tmpl src 10.1.0.2 dst 10.1.0.50 proto "
	"esp mode "
	"tunnel",
	NULL,
};

static void rtnetlink(const void *request, size_t len)
{
	struct {
		struct nlmsghdr h;
		struct nlmsgerr e;
		char more[512];
	} answer;
	int nl = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);

	if (send(nl, request, len, 0) != (ssize_t)len ||
	    recv(nl, &answer, sizeof(answer), 0) < (int)sizeof(answer.e))
		pfail("rtnetlink");
	if (answer.e.error)
		fail("a program cannot be attached: %s", strerror(-answer.e.error));
	close(nl);
}

static void attach_xdp(const char *link)
{
	struct {
		struct nlmsghdr h;
		struct ifinfomsg ifi;
		struct nlattr xdp, fd;
		int fd_value;
		struct nlattr flags;
		unsigned int flags_value;
	} q = { { sizeof(q), RTM_SETLINK, NLM_F_REQUEST | NLM_F_ACK, 1, 0 },
		{ .ifi_index = if_nametoindex(link) },
		{ 20, IFLA_XDP | NLA_F_NESTED },
		{ 8, IFLA_XDP_FD },
		bpf_program(BPF_PROG_TYPE_XDP, XDP_PASS),
		{ 8, IFLA_XDP_FLAGS },
		XDP_FLAGS_SKB_MODE };

	rtnetlink(&q, sizeof(q));
	close(q.fd_value);
}

/* ip route add 10.45.0.0/16 encap bpf out ... dev LINK */
static void route_by_program(const char *link)
{
	struct {
		struct nlmsghdr h;
		struct rtmsg rtm;
		struct nlattr dst;
		uint8_t dst_value[4];
		struct nlattr oif;
		int oif_value;
		struct nlattr type;
		uint16_t type_value[2];
		struct nlattr encap, out, fd;
		int fd_value;
		struct nlattr name;
		char name_value[4];
	} q = { { sizeof(q), RTM_NEWROUTE, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE, 1, 0 },
		{ .rtm_family = AF_INET,
		  .rtm_dst_len = 16,
		  .rtm_table = RT_TABLE_MAIN,
		  .rtm_protocol = RTPROT_STATIC,
		  .rtm_scope = RT_SCOPE_LINK,
		  .rtm_type = RTN_UNICAST },
		{ 8, RTA_DST },
		{ 10, 45 },
		{ 8, RTA_OIF },
		(int)if_nametoindex(link),
		{ 6, RTA_ENCAP_TYPE },
		{ LWTUNNEL_ENCAP_BPF },
		{ 24, RTA_ENCAP | NLA_F_NESTED },
		{ 20, LWT_BPF_OUT | NLA_F_NESTED },
		{ 8, LWT_BPF_PROG_FD },
		bpf_program(BPF_PROG_TYPE_LWT_OUT, 0),
		{ 8, LWT_BPF_PROG_NAME },
		"ok" };

	rtnetlink(&q, sizeof(q));
	close(q.fd_value);
}

/* BPF_TCX_EGRESS, newer than the headers of Debian 12. */
static void attach_tcx(const char *link)
{
	union bpf_attr attr = { .target_fd = if_nametoindex(link),
				.attach_bpf_fd = bpf_program(BPF_PROG_TYPE_SCHED_CLS, -1),
				.attach_type = 47 };

	if (syscall(SYS_bpf, BPF_PROG_ATTACH, &attr, sizeof(attr)))
		pfail("BPF_PROG_ATTACH");
	close(attr.attach_bpf_fd);
}

static void route_multicast(void)
{
	struct vifctl vif = { .vifc_flags = VIFF_USE_IFINDEX, .vifc_threshold = 1 };
	struct mif6ctl mif = { .vifc_threshold = 1 };
	int on = 1, four = socket(AF_INET, SOCK_RAW, IPPROTO_IGMP),
	    six = socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);

	vif.vifc_lcl_ifindex = if_nametoindex("vb");
	mif.mif6c_pifi = if_nametoindex("vb");
	if (setsockopt(four, IPPROTO_IP, MRT_INIT, &on, sizeof(on)) ||
	    setsockopt(four, IPPROTO_IP, MRT_ADD_VIF, &vif, sizeof(vif)))
		pfail("IPv4 multicast routing");
	if (setsockopt(six, IPPROTO_IPV6, MRT6_INIT, &on, sizeof(on)) ||
	    setsockopt(six, IPPROTO_IPV6, MRT6_ADD_MIF, &mif, sizeof(mif)))
		pfail("IPv6 multicast routing");
}

int main(int argc, char **argv)
{
	struct sock_filter code[] = { { BPF_RET | BPF_K, 0, 0, 0xffff } };
	struct sock_fprog prog = { 1, code };
	struct ifreq ifr = { .ifr_name = "tap7", .ifr_flags = IFF_TAP };
	int tap;

	test_init(argc, argv);
	if (mknod("tun.node", S_IFCHR | 0600, makedev(10, 200)) < 0 && errno != EEXIST)
		skip("mknod");
	tap = open("tun.node", O_RDWR | O_NONBLOCK);
	if (tap < 0 || ioctl(tap, TUNSETIFF, &ifr) || ioctl(tap, TUNATTACHFILTER, &prog))
		pfail("tap");
	net_setup(setup);
	attach_xdp("va");
	attach_tcx("vee");
	route_by_program("va");
	route_multicast();
	test_daemon();
	test_waitsig();
	pass();
}
