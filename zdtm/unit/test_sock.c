/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sockets: names, options, queues that are looked at but not touched, and images that lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <netinet/tcp.h>

#include "base/log.h"
#include "file/table.h"
#include "sock/inet.h"
#include "sock/kinds.h"
#include "sock/opts.h"
#include "sock/unix.h"

static void names(void **state)
{
	char full[108];
	struct sockaddr_un a;

	memset(full, 'x', sizeof(full));
	assert_int_equal(unix_name_len("/a\0junk", 7), 2);
	assert_int_equal(unix_name_len("\0a\0b", 4), 4);
	assert_int_equal(unix_name_len("", 0), 0);
	assert_int_equal(unix_name_len(full, sizeof(full)), 108);
	assert_int_equal(unix_sockaddr("/a", 2, &a), offsetof(struct sockaddr_un, sun_path) + 3);
	assert_int_equal(unix_sockaddr("\0ab", 3, &a), offsetof(struct sockaddr_un, sun_path) + 3);
	assert_int_equal(unix_sockaddr(full, sizeof(full), &a), sizeof(a));
	assert_int_equal(unix_sockaddr("", 0, &a), offsetof(struct sockaddr_un, sun_path));
	assert_string_equal(unix_name_text("\0ab", 3), "@ab");
	assert_string_equal(unix_name_text("/run/x", 6), "/run/x");
	assert_string_equal(unix_name_text(NULL, 0), "(unnamed)");
}

static void addresses(void **state)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(80) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
	ProtobufCBinaryData b = { sizeof(in), (uint8_t *)&in };

	in.sin_addr.s_addr = htonl(0x0a000001);
	assert_string_equal(sk_addr_text(&in, sizeof(in)), "10.0.0.1:80");
	assert_string_equal(sk_addr_text(&in6, sizeof(in6)), "[::1]:0");
	assert_true(sk_inet_addr_ok(&b, AF_INET));
	assert_false(sk_inet_addr_ok(&b, AF_INET6));
	b.len--;
	assert_false(sk_inet_addr_ok(&b, AF_INET));
	b.len = 0;
	assert_false(sk_inet_addr_ok(&b, AF_INET));
}

struct seen {
	char text[8][8];
	int n;
};

static int see(void *arg, struct msghdr *m, size_t len)
{
	struct seen *s = arg;

	memcpy(s->text[s->n++], m->msg_iov->iov_base, len);
	return 0;
}

static int peek_off(int fd)
{
	int value = 0;
	socklen_t len = sizeof(value);

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &value, &len), 0);
	return value;
}

static void queue_is_not_touched(void **state)
{
	struct seen s = { 0 };
	char buf[8];
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, sv), 0);
	assert_int_equal(sk_queue_walk(sv[1], false, see, &s), 0);
	assert_int_equal(s.n, 0);
	send(sv[0], "", 0, 0);
	send(sv[0], "ab", 2, 0);
	send(sv[0], "", 0, 0);
	send(sv[0], "c", 1, 0);
	assert_int_equal(sk_queue_walk(sv[1], false, see, &s), 0);
	assert_int_equal(s.n, 4);
	assert_string_equal(s.text[0], "");
	assert_string_equal(s.text[1], "ab");
	assert_string_equal(s.text[2], "");
	assert_string_equal(s.text[3], "c");
	assert_int_equal(peek_off(sv[1]), -1);
	assert_int_equal(recv(sv[1], buf, 8, MSG_DONTWAIT), 0);
	assert_int_equal(recv(sv[1], buf, 8, MSG_DONTWAIT), 2);
	assert_int_equal(recv(sv[1], buf, 8, MSG_DONTWAIT), 0);
	assert_int_equal(recv(sv[1], buf, 8, MSG_DONTWAIT), 1);
	assert_int_equal(recv(sv[1], buf, 8, MSG_DONTWAIT), -1);
	close(sv[0]);
	close(sv[1]);
}

static int fail_at_second(void *arg, struct msghdr *m, size_t len)
{
	return ++*(int *)arg == 2 ? -ENOMEM : 0;
}

static void queue_errors_leave_it_too(void **state)
{
	int sv[2], n = 0;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv), 0);
	for (int i = 0; i < 3; i++)
		send(sv[0], "x", 1, 0);
	assert_int_equal(sk_queue_walk(sv[1], true, fail_at_second, &n), -ENOMEM);
	assert_int_equal(n, 2);
	assert_int_equal(peek_off(sv[1]), -1);
	close(sv[0]);
	n = 10;
	assert_int_equal(sk_queue_walk(sv[1], true, fail_at_second, &n), 0);
	assert_int_equal(n, 13);
	close(sv[1]);
}

/* An image of three files for the checks that planning makes. */
struct lab {
	struct file_obj objs[3];
	FileEntry files[3];
	SockEntry socks[3];
	UnixEntry unixes[3];
	InetEntry inet;
	TcpEntry tcp;
	TcpConnEntry conn;
	NetlinkEntry netlink;
	PacketEntry packet;
	struct file_store store;
	struct rtask task;
	TaskEntry task_msg;
	struct restore r;
	struct sockaddr_in a;
};

static void lab_init(struct lab *l)
{
	memset(l, 0, sizeof(*l));
	task_entry__init(&l->task_msg);
	l->task.msg = &l->task_msg;
	l->store = (struct file_store){ .objs = l->objs, .n = 3, .planning = 1 };
	l->r = (struct restore){ .tasks = &l->task, .n_tasks = 1, .files = &l->store };
	l->a = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(80) };
	for (int i = 0; i < 3; i++) {
		file_entry__init(&l->files[i]);
		sock_entry__init(&l->socks[i]);
		unix_entry__init(&l->unixes[i]);
		l->objs[i].msg = &l->files[i];
		l->files[i].id = i + 1;
		l->files[i].task_id = 1;
		l->files[i].kind_case = FILE_ENTRY__KIND_UNIX_SOCK;
		l->files[i].unix_sock = &l->unixes[i];
		l->unixes[i].sock = &l->socks[i];
		l->socks[i].domain = AF_UNIX;
		l->socks[i].type = SOCK_STREAM;
	}
}

static void lab_done(struct lab *l)
{
	for (int i = 0; i < 3; i++)
		free(l->objs[i].deps);
}

static void make_pair(struct lab *l)
{
	for (int i = 0; i < 2; i++) {
		l->unixes[i].peer = UNIX_ENTRY__PEER__INSIDE;
		l->unixes[i].has_peer_id = true;
		l->unixes[i].peer_id = 2 - i;
		l->unixes[i].has_pair = l->unixes[i].pair = true;
	}
}

static int plan(struct lab *l)
{
	return unix_ops.deps(&l->r, &l->files[0]);
}

static void unix_good(void **state)
{
	struct lab l;

	lab_init(&l);
	assert_int_equal(plan(&l), 0);
	make_pair(&l);
	assert_int_equal(plan(&l), 0);
	assert_int_equal(l.objs[0].n_deps, 0);
	l.store.planning = 2;
	assert_int_equal(unix_ops.deps(&l.r, &l.files[1]), 0);
	assert_int_equal(l.objs[1].n_deps, 1);
	assert_int_equal(l.objs[1].deps[0], 1);
	lab_done(&l);
}

static void unix_bad_peers(void **state)
{
	struct lab l;

	lab_init(&l);
	make_pair(&l);
	l.unixes[0].peer_id = 1;
	assert_int_equal(plan(&l), -EBADMSG);
	l.unixes[0].peer_id = 99;
	assert_int_equal(plan(&l), -EBADMSG);
	l.unixes[0].peer_id = 0;
	assert_int_equal(plan(&l), -EBADMSG);
	l.unixes[0].peer_id = 3; /* who does not know of it */
	assert_int_equal(plan(&l), -EBADMSG);
	l.unixes[0].peer_id = 2;
	l.socks[1].type = SOCK_DGRAM;
	assert_int_equal(plan(&l), -EBADMSG);
	l.socks[1].type = SOCK_STREAM;
	l.files[1].kind_case = FILE_ENTRY__KIND_PIPE;
	assert_int_equal(plan(&l), -EBADMSG);
	l.files[1].kind_case = FILE_ENTRY__KIND_UNIX_SOCK;
	l.unixes[0].pair = l.unixes[1].pair = false;
	assert_int_equal(plan(&l), -EBADMSG); /* two connecting ends */
	l.unixes[1].accepted = true;
	assert_int_equal(plan(&l), -EBADMSG); /* accepted without a name */
	l.unixes[0].has_via_id = true;
	l.unixes[0].via_id = 3;
	assert_int_equal(plan(&l), -EBADMSG); /* which does not listen */
	lab_done(&l);
}

static void unix_bad_values(void **state)
{
	UnixMsgEntry m = UNIX_MSG_ENTRY__INIT, *queue[] = { &m };
	UnixCredsEntry c = UNIX_CREDS_ENTRY__INIT;
	uint32_t id = 7;
	uint8_t name[200];
	struct lab l;

	lab_init(&l);
	memset(name, 'x', sizeof(name));
	l.unixes[0].has_name = true;
	l.unixes[0].name = (ProtobufCBinaryData){ 109, name };
	assert_int_equal(plan(&l), -EBADMSG);
	l.unixes[0].name.len = 0;
	assert_int_equal(plan(&l), -EBADMSG);
	l.unixes[0].name.len = 108;
	assert_int_equal(plan(&l), 0);
	l.unixes[0].path = (char *)"relative";
	assert_int_equal(plan(&l), -EBADMSG);
	l.unixes[0].path = NULL;
	l.unixes[0].shutdown = 4;
	assert_int_equal(plan(&l), -EBADMSG);
	l.unixes[0].shutdown = 3;
	c.task_id = 2;
	l.unixes[0].peer_creds = &c;
	assert_int_equal(plan(&l), -EBADMSG);
	c.task_id = 1;
	assert_int_equal(plan(&l), 0);
	m.file_ids = &id;
	m.n_file_ids = 1;
	l.unixes[0].queue = queue;
	l.unixes[0].n_queue = 1;
	assert_int_equal(plan(&l), -EBADMSG);
	id = 3;
	assert_int_equal(plan(&l), 0);
	l.socks[0].domain = AF_INET;
	assert_int_equal(plan(&l), -EBADMSG);
	l.socks[0].domain = AF_UNIX;
	l.socks[0].type = SOCK_RAW;
	assert_int_equal(plan(&l), -EBADMSG);
	lab_done(&l);
}

static void options(void **state)
{
	uint8_t value[80] = { 0 };
	SockOptEntry o = SOCK_OPT_ENTRY__INIT, *opts[] = { &o };
	struct lab l;

	lab_init(&l);
	l.socks[0].opts = opts;
	l.socks[0].n_opts = 1;
	o.level = SOL_SOCKET;
	o.name = SO_KEEPALIVE;
	o.value = (ProtobufCBinaryData){ 4, value };
	assert_int_equal(opts_check(&l.files[0], &l.socks[0]), 0);
	o.value.len = 3;
	assert_int_equal(opts_check(&l.files[0], &l.socks[0]), -EBADMSG);
	o.value.len = 80;
	assert_int_equal(opts_check(&l.files[0], &l.socks[0]), -EBADMSG);
	o.value.len = 4;
	o.name = 9999;
	assert_int_equal(opts_check(&l.files[0], &l.socks[0]), -EBADMSG);
	o.level = IPPROTO_TCP; /* of another family */
	o.name = TCP_NODELAY;
	assert_int_equal(opts_check(&l.files[0], &l.socks[0]), -EBADMSG);
	l.socks[0].n_opts = 0;
	l.socks[0].has_filter = true;
	l.socks[0].filter = (ProtobufCBinaryData){ 9, value };
	assert_int_equal(opts_check(&l.files[0], &l.socks[0]), -EBADMSG);
	l.socks[0].filter.len = 0;
	assert_int_equal(opts_check(&l.files[0], &l.socks[0]), -EBADMSG);
	l.socks[0].filter.len = 16;
	assert_int_equal(opts_check(&l.files[0], &l.socks[0]), 0);
	lab_done(&l);
}

static void make_tcp(struct lab *l)
{
	lab_init(l);
	tcp_entry__init(&l->tcp);
	tcp_conn_entry__init(&l->conn);
	l->socks[0].domain = AF_INET;
	l->files[0].kind_case = FILE_ENTRY__KIND_TCP;
	l->files[0].tcp = &l->tcp;
	l->tcp.sock = &l->socks[0];
	l->tcp.has_local = l->tcp.has_remote = true;
	l->tcp.local = l->tcp.remote = (ProtobufCBinaryData){ sizeof(l->a), (uint8_t *)&l->a };
	l->tcp.conn = &l->conn;
	l->conn.state = TCP_ESTABLISHED;
}

static int plan_tcp(struct lab *l)
{
	return tcp_ops.deps(&l->r, &l->files[0]);
}

static void tcp_images(void **state)
{
	struct lab l;

	make_tcp(&l);
	assert_int_equal(plan_tcp(&l), 0);
	l.conn.snd_unsent = 1;
	assert_int_equal(plan_tcp(&l), -EBADMSG);
	l.conn.snd_unsent = 0;
	l.conn.state = TCP_LISTEN;
	assert_int_equal(plan_tcp(&l), -EBADMSG);
	l.conn.state = TCP_CLOSE_WAIT;
	l.conn.snd_wscale = 15;
	assert_int_equal(plan_tcp(&l), -EBADMSG);
	l.conn.snd_wscale = 14;
	l.conn.has_window = true;
	l.conn.window.len = 19;
	assert_int_equal(plan_tcp(&l), -EBADMSG);
	l.conn.has_window = false;
	l.tcp.has_remote = false;
	assert_int_equal(plan_tcp(&l), -EBADMSG);
	l.tcp.has_remote = true;
	l.tcp.remote.len = 3;
	assert_int_equal(plan_tcp(&l), -EBADMSG);
	l.tcp.remote.len = sizeof(l.a);
	l.a.sin_family = AF_INET6;
	assert_int_equal(plan_tcp(&l), -EBADMSG);
	l.a.sin_family = AF_INET;
	l.tcp.listening = true;
	assert_int_equal(plan_tcp(&l), -EBADMSG);
	lab_done(&l);
}

/* Connections being made, that are over, and without a descriptor. */
static void tcp_other_images(void **state)
{
	TcpConnectingEntry connecting = TCP_CONNECTING_ENTRY__INIT;
	TcpEndedEntry ended = TCP_ENDED_ENTRY__INIT;
	TcpOrphanEntry orphan = TCP_ORPHAN_ENTRY__INIT;
	struct lab l;

	make_tcp(&l);
	l.tcp.connecting = &connecting;
	assert_int_equal(plan_tcp(&l), -EBADMSG);
	l.tcp.conn = NULL;
	assert_int_equal(plan_tcp(&l), 0);
	l.tcp.ended = &ended;
	assert_int_equal(plan_tcp(&l), -EBADMSG);
	l.tcp.connecting = NULL;
	assert_int_equal(plan_tcp(&l), 0);
	ended.unread.len = (1U << 30) + 1;
	assert_int_equal(plan_tcp(&l), -EBADMSG);
	ended.unread.len = 0;
	l.tcp.listening = true;
	assert_int_equal(plan_tcp(&l), -EBADMSG);
	orphan.state = TCP_TIME_WAIT;
	orphan.local = orphan.remote = l.tcp.local;
	assert_true(tcp_orphan_ok(&orphan));
	orphan.rcv_wscale = 15;
	assert_false(tcp_orphan_ok(&orphan));
	orphan.rcv_wscale = 0;
	orphan.remote.len = 3;
	assert_false(tcp_orphan_ok(&orphan));
	orphan.remote = orphan.local;
	orphan.state = TCP_ESTABLISHED;
	assert_false(tcp_orphan_ok(&orphan));
	orphan.state = 64;
	assert_false(tcp_orphan_ok(&orphan));
	lab_done(&l);
}

static void inet_images(void **state)
{
	McastEntry g = MCAST_ENTRY__INIT, *groups[] = { &g };
	InetMsgEntry m = INET_MSG_ENTRY__INIT, *queue[] = { &m };
	FlowLabelEntry label = FLOW_LABEL_ENTRY__INIT, *labels[] = { &label };
	ReuseportEntry group = REUSEPORT_ENTRY__INIT;
	struct sockaddr_in from = { .sin_family = AF_INET };
	uint8_t addr[16] = { 0 };
	struct lab l;

	lab_init(&l);
	inet_entry__init(&l.inet);
	l.socks[0].domain = AF_INET;
	l.socks[0].type = SOCK_DGRAM;
	l.files[0].kind_case = FILE_ENTRY__KIND_INET;
	l.files[0].inet = &l.inet;
	l.inet.sock = &l.socks[0];
	assert_int_equal(inet_ops.deps(&l.r, &l.files[0]), 0);
	l.inet.groups = groups;
	l.inet.n_groups = 1;
	g.group = (ProtobufCBinaryData){ 5, addr };
	assert_int_equal(inet_ops.deps(&l.r, &l.files[0]), -EBADMSG);
	g.group.len = 16;
	assert_int_equal(inet_ops.deps(&l.r, &l.files[0]), 0);
	l.inet.queue = queue;
	l.inet.n_queue = 1;
	m.from = (ProtobufCBinaryData){ 4, addr };
	assert_int_equal(inet_ops.deps(&l.r, &l.files[0]), -EBADMSG);
	m.from = (ProtobufCBinaryData){ sizeof(from), (uint8_t *)&from };
	assert_int_equal(inet_ops.deps(&l.r, &l.files[0]), 0);
	m.has_to = true;
	m.to = (ProtobufCBinaryData){ 3, addr };
	assert_int_equal(inet_ops.deps(&l.r, &l.files[0]), -EBADMSG);
	m.to.len = 4;
	m.segment = 65536;
	assert_int_equal(inet_ops.deps(&l.r, &l.files[0]), -EBADMSG);
	l.inet.n_queue = 0;
	l.socks[0].reuseport = &group;
	group.index = 65536;
	assert_int_equal(inet_ops.deps(&l.r, &l.files[0]), -EBADMSG);
	group.index = 0;
	group.has_filter = true;
	group.filter = (ProtobufCBinaryData){ 9, addr };
	assert_int_equal(inet_ops.deps(&l.r, &l.files[0]), -EBADMSG);
	l.socks[0].reuseport = NULL;
	l.socks[0].labels = labels;
	l.socks[0].n_labels = 1;
	label.dst = (ProtobufCBinaryData){ 16, addr };
	label.share = 1;
	assert_int_equal(inet_ops.deps(&l.r, &l.files[0]), -EBADMSG);
	label.label = 1;
	assert_int_equal(inet_ops.deps(&l.r, &l.files[0]), 0);
	label.share = 2;
	assert_int_equal(inet_ops.deps(&l.r, &l.files[0]), -EBADMSG);
	l.socks[0].n_labels = 0;
	l.socks[0].type = SOCK_STREAM;
	assert_int_equal(inet_ops.deps(&l.r, &l.files[0]), -EBADMSG);
	lab_done(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(addresses),
		cmocka_unit_test(queue_is_not_touched),
		cmocka_unit_test(queue_errors_leave_it_too),
		cmocka_unit_test(unix_good),
		cmocka_unit_test(unix_bad_peers),
		cmocka_unit_test(unix_bad_values),
		cmocka_unit_test(options),
		cmocka_unit_test(tcp_images),
		cmocka_unit_test(tcp_other_images),
		cmocka_unit_test(inet_images),
	};

	log_quiet(true);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
