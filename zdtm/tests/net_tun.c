/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tun and tap: a transient tun with traffic both ways, a tap of two queues, a persistent one nobody holds,
 * one not attached, one that takes offloads. */
/* modes: ns twice */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "netstate.h"

static const char *const setup[] = {
	"ip addr add 10.9.0.1/24 dev tun7 && ip link set tun7 up mtu 1300",
	"ip -6 addr add fd00:9::1/64 dev tun7 nodad",
	"ip link set off7 up",
	"ip link set tap7 address 02:00:00:00:00:77 up",
	NULL,
};

static const char *const state[] = {
	"ip -d link show tun7 | sed 's/qdisc [a-z]*//; s/state [A-Z]*//'",
	"ip -d link show tap7 | sed 's/qdisc [a-z]*//; s/state [A-Z]*//'",
	"ip -d link show keep7 | sed 's/qdisc [a-z]*//; s/state [A-Z]*//'",
	"ethtool -k off7 | grep -v fixed",
	"ip -o addr | sed 's/stable-privacy //'", /* a flag only the kernel sets */
	"ip route",
	NULL,
};

static int tun_open(void)
{
	int fd = open("tun.node", O_RDWR | O_NONBLOCK);

	if (fd < 0)
		pfail("tun.node");
	return fd;
}

static int tun_attach(const char *name, short flags)
{
	struct ifreq ifr = { .ifr_flags = flags };
	int fd = tun_open();

	strcpy(ifr.ifr_name, name);
	if (ioctl(fd, TUNSETIFF, &ifr) < 0)
		pfail("TUNSETIFF %s", name);
	return fd;
}

/* What is sent to 10.9.0.2 comes out of the descriptor. */
static void check_out(int tun)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(7) };
	int s = socket(AF_INET, SOCK_DGRAM, 0);
	char buf[2048];
	ssize_t n;

	inet_aton("10.9.0.2", &to.sin_addr);
	if (sendto(s, "knock-knock", 11, 0, (void *)&to, sizeof(to)) != 11)
		pfail("sendto");
	do
		n = read(tun, buf, sizeof(buf));
	while (n > 0 && (buf[0] >> 4 != 4 || n < 28 || memcmp(buf + 28, "knock-knock", 11)));
	if (n < 0)
		pfail("nothing came out of the tun");
	close(s);
}

static void check_name(int fd, const char *name)
{
	struct ifreq ifr = { 0 };

	if (ioctl(fd, TUNGETIFF, &ifr) < 0)
		pfail("TUNGETIFF %s", name);
	if (strcmp(ifr.ifr_name, name))
		fail("attached to %s, not %s", ifr.ifr_name, name);
}

int main(int argc, char **argv)
{
	struct ifreq ifr = { 0 };
	int tun, tap[2], idle, keep, off;

	test_init(argc, argv);
	if (mknod("tun.node", S_IFCHR | 0600, makedev(10, 200)) < 0 && errno != EEXIST)
		skip("mknod");
	if (access("/sys/class/misc/tun", F_OK) < 0 && access("tun.node", R_OK) < 0)
		skip("no tun device");
	tun = tun_attach("tun7", IFF_TUN | IFF_NO_PI);
	tap[0] = tun_attach("tap7", IFF_TAP | IFF_NO_PI | IFF_MULTI_QUEUE);
	tap[1] = tun_attach("tap7", IFF_TAP | IFF_NO_PI | IFF_MULTI_QUEUE);
	keep = tun_attach("keep7", IFF_TAP);
	if (ioctl(keep, TUNSETPERSIST, 1) < 0 || ioctl(keep, TUNSETOWNER, 5) < 0)
		pfail("TUNSETPERSIST");
	close(keep);
	off = tun_attach("off7", IFF_TUN | IFF_NO_PI | IFF_VNET_HDR);
	if (ioctl(off, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO_ECN) < 0)
		pfail("TUNSETOFFLOAD");
	idle = tun_open();
	net_setup(setup);
	check_out(tun);
	net_settle("");
	net_compare(state);
	check_name(tun, "tun7");
	check_name(tap[0], "tap7");
	check_name(tap[1], "tap7");
	if (ioctl(idle, TUNGETIFF, &ifr) == 0)
		fail("the unattached one is attached");
	check_out(tun);
	close(tun);
	if (!system("ip link show tun7 2>/dev/null"))
		fail("tun7 is there without its descriptor");
	pass();
}
