/* SPDX-License-Identifier: GPL-2.0-or-later */
/* macvtap: the link, and descriptors of its device (two queues, other headers each), with frames both ways.
 * Its device has another number on the way back, as one before it was removed. */
/* modes: ns twice */
/* warn: which offloads its holder takes cannot be read */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/mount.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "netstate.h"

#define NODE "tap.node"
#define FRAME_TYPE 0x88b5 /* for experiments */
#define FRAME_LEN 64

static const char *const setup[] = {
	"ip link add va index 40 type veth peer name vb index 39",
	"ip link set va up && ip link set vb up",
	"ip link add mt0 link va type macvtap",
	"ip link add mt1 index 55 link va type macvtap mode bridge",
	"ip link set mt1 address 02:00:00:00:55:55 mtu 1400 txqueuelen 77 up",
	"ip addr add 10.7.0.1/24 dev mt1",
	NULL,
};

static const char *const state[] = {
	"ip -d link show mt1 | sed 's/qdisc [a-z]*//; s/state [A-Z]*//; s/usedbcqueuelen [0-9]*//; "
	"s/tso_max_size [0-9]*//'",
	"ip -4 -o addr",
	NULL,
};

/* The device of the link, as a sysfs of this network namespace shows it. */
static dev_t device_of(const char *link, unsigned int index)
{
	int fs = syscall(SYS_fsopen, "sysfs", 0), mnt, fd;
	unsigned int major, minor;
	char path[128], text[32] = "";

	if (fs < 0 || syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		pfail("sysfs");
	mnt = syscall(SYS_fsmount, fs, 0, 0);
	snprintf(path, sizeof(path), "class/net/%s/macvtap/tap%u/dev", link, index);
	fd = openat(mnt, path, O_RDONLY);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0 || sscanf(text, "%u:%u", &major, &minor) != 2)
		pfail("%s", path);
	close(fd);
	close(mnt);
	close(fs);
	return makedev(major, minor);
}

static int tap_open(short flags, int header)
{
	struct ifreq ifr = { .ifr_flags = flags };
	int fd = open(NODE, O_RDWR | O_NONBLOCK);

	if (fd < 0)
		pfail(NODE);
	if (ioctl(fd, TUNSETIFF, &ifr) || ioctl(fd, TUNSETVNETHDRSZ, &header))
		pfail("TUNSETIFF");
	return fd;
}

static void check_queue(int fd, short flags, int header)
{
	struct ifreq ifr = { 0 };
	struct stat st, node;
	int size;

	if (ioctl(fd, TUNGETIFF, &ifr) || ioctl(fd, TUNGETVNETHDRSZ, &size))
		pfail("TUNGETIFF");
	if (strcmp(ifr.ifr_name, "mt1") || ifr.ifr_flags != flags || size != header)
		fail("it is of %s, flags 0x%x, header %d", ifr.ifr_name, (unsigned short)ifr.ifr_flags, size);
	if (fstat(fd, &st) || stat(NODE, &node))
		pfail("stat");
	if (st.st_rdev != device_of("mt1", 55))
		fail("it is another device than the link's");
	if (node.st_rdev != st.st_rdev || (node.st_mode & 07777) != 0640 || node.st_gid != 5)
		fail("the node is not the device, or has another owner or mode");
}

static void wait_for(int fd, const char *what)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (poll(&p, 1, 10000) != 1)
		fail("no frame %s", what);
}

static void make_frame(char *f, const char *from, const char *text)
{
	struct ether_header *h = (void *)f;

	memset(f, 0, FRAME_LEN);
	memset(h->ether_dhost, 0xff, ETH_ALEN);
	memcpy(h->ether_shost, from, ETH_ALEN);
	h->ether_type = htons(FRAME_TYPE);
	strcpy(f + sizeof(*h), text);
}

/* From the other end of the link below to a queue, and back; @header bytes before each frame there. */
static void check_frames(int tap, int header)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(FRAME_TYPE),
				  .sll_ifindex = if_nametoindex("vb") };
	int s = socket(AF_PACKET, SOCK_RAW, htons(FRAME_TYPE));
	char frame[header + FRAME_LEN], buf[2048];
	ssize_t n;

	if (s < 0 || bind(s, (void *)&to, sizeof(to)))
		pfail("packet socket");
	make_frame(frame, "\2\0\0\0\0\1", "inwards");
	if (sendto(s, frame, FRAME_LEN, 0, (void *)&to, sizeof(to)) != FRAME_LEN)
		pfail("sendto");
	do {
		wait_for(tap, "comes out of the queue");
		n = read(tap, buf, sizeof(buf));
	} while (n > 0 && (n < header + FRAME_LEN || memcmp(buf + header, frame, FRAME_LEN)));
	memset(frame, 0, header);
	make_frame(frame + header, "\2\0\0\0\x55\x55", "outwards");
	if (write(tap, frame, header + FRAME_LEN) != header + FRAME_LEN)
		pfail("write");
	do {
		wait_for(s, "comes out of the link below");
		n = recv(s, buf, sizeof(buf), 0);
	} while (n > 0 && strcmp(buf + sizeof(struct ether_header), "outwards"));
	close(s);
}

int main(int argc, char **argv)
{
	const short plain = IFF_TAP | IFF_NO_PI, rich = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	int a, b, on = 1;

	test_init(argc, argv);
	net_setup(setup);

	unlink(NODE);
	if (mknod(NODE, S_IFCHR | 0640, device_of("mt1", 55)) || chown(NODE, 0, 5))
		skip("mknod");
	a = tap_open(plain, 10);
	check_frames(a, 0);
	close(a);
	a = tap_open(rich, 12);
	check_frames(a, 12);
	if (ioctl(a, TUNSETVNETLE, &on))
		pfail("TUNSETVNETLE");
	if (system("ip link del mt0"))
		fail("mt0");
	b = tap_open(plain | IFF_MULTI_QUEUE, 10);
	net_compare(state);
	check_queue(a, rich, 12);
	check_queue(b, plain | IFF_MULTI_QUEUE, 10);
	if (ioctl(a, TUNGETVNETLE, &on) || on != 1)
		fail("the byte order of headers is %d", on);
	close(b);
	check_frames(a, 12);
	pass();
}
