/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <bpf/bpf.h>

#include "sock/hidden.h"
#include "sock/iter.h"
#include "sock/sk.h"

#define SOCKS_MAX 2048 /* of a group */
#define FILTER_MAX 1024
#define RECORD (-(int)sizeof(struct record)) /* on the stack */
#define AT(member) ((int)offsetof(struct record, member))

_Static_assert(SOCKS_MAX * sizeof(uint64_t) >= FILTER_MAX * sizeof(struct sock_filter), "one map for both");

/* Registers that calls leave alone; BASE: the structure that is read. */
enum { SOCK = BPF_REG_6, SEQ = BPF_REG_7, CTX = BPF_REG_8, BASE = BPF_REG_9 };

/* What the program writes for each socket; then the group's sockets, then the filter. */
struct record {
	uint64_t ino, sock, group, prog, orig, aux, filter;
	uint32_t err, held, prog_id;
	uint16_t n_socks, n_filter;
};

/* @size bytes of the member @path of the @type at BASE, whatever that is; 0 when there is nothing. */
static void read_member(struct iter_prog *p, const char *type, const char *path, size_t size, int to)
{
	struct iter_place at = { 0 };

	if (iter_find(p->btf, type, path, &at) < 0 || at.width ||
	    btf__resolve_size(p->btf, at.type) != (int64_t)size)
		p->err = -EOPNOTSUPP;
	iter_move(p, BPF_REG_1, BPF_REG_10);
	iter_alu(p, BPF_ADD, BPF_REG_1, RECORD + to);
	iter_alu(p, BPF_MOV, BPF_REG_2, (int)size);
	iter_move(p, BPF_REG_3, BASE);
	iter_alu(p, BPF_ADD, BPF_REG_3, (int)at.bit / 8);
	iter_call(p, BPF_FUNC_probe_read_kernel);
}

#define READ(p, type, path, member) \
	read_member(p, type, path, sizeof(((struct record *)0)->member), AT(member))

static void base_is(struct iter_prog *p, int member)
{
	iter_ldx(p, 8, BASE, BPF_REG_10, RECORD + member);
}

/* The array of @n (a member of the record, bounded by @max) words at offset @off of what @base points at. */
static void write_array(struct iter_prog *p, int map, int base, int off, int n, int max)
{
	int jump;

	iter_ldx(p, 2, BASE, BPF_REG_10, RECORD + n);
	jump = iter_jump(p, BPF_JLE, BASE, max);
	iter_alu(p, BPF_MOV, BASE, max);
	iter_land(p, jump);
	iter_alu(p, BPF_LSH, BASE, 3);
	iter_map(p, BPF_REG_1, map);
	iter_move(p, BPF_REG_2, BASE);
	iter_ldx(p, 8, BPF_REG_3, BPF_REG_10, RECORD + base);
	iter_alu(p, BPF_ADD, BPF_REG_3, off);
	iter_call(p, BPF_FUNC_probe_read_kernel);
	iter_move(p, BPF_REG_1, SEQ);
	iter_map(p, BPF_REG_2, map);
	iter_move(p, BPF_REG_3, BASE);
	iter_call(p, BPF_FUNC_seq_write);
}

/* SOCK: the struct socket; CTX: the struct file. Those of other things end here. */
static void find_socket(struct iter_prog *p)
{
	iter_move(p, CTX, BPF_REG_1);
	iter_pointer(p, "bpf_iter__task_file", "meta", BPF_REG_1, CTX);
	iter_pointer(p, "bpf_iter_meta", "seq", SEQ, BPF_REG_1);
	iter_pointer(p, "bpf_iter__task_file", "file", CTX, CTX);
	iter_need(p, CTX);
	iter_move(p, BPF_REG_1, CTX);
	iter_call(p, BPF_FUNC_sock_from_file);
	iter_need(p, BPF_REG_0);
	iter_move(p, SOCK, BPF_REG_0);
}

/* include/net/sock_reuseport.h, linux/filter.h, linux/bpf.h */
static void read_group(struct iter_prog *p)
{
	base_is(p, AT(group));
	READ(p, "sock_reuseport", "num_socks", n_socks);
	READ(p, "sock_reuseport", "prog", prog);
	base_is(p, AT(prog));
	READ(p, "bpf_prog", "orig_prog", orig);
	READ(p, "bpf_prog", "aux", aux);
	base_is(p, AT(aux));
	READ(p, "bpf_prog_aux", "id", prog_id);
	base_is(p, AT(orig));
	READ(p, "sock_fprog_kern", "len", n_filter);
	READ(p, "sock_fprog_kern", "filter", filter);
}

static void assemble(struct iter_prog *p, int map)
{
	struct iter_place socks = { 0 };

	_Static_assert(sizeof(struct record) % 8 == 0, "written as words");
	find_socket(p);
	iter_alu(p, BPF_MOV, BPF_REG_1, 0);
	for (int off = RECORD; off < 0; off += 8)
		iter_stx(p, 8, BPF_REG_1, off);
	iter_move(p, BASE, CTX);
	READ(p, "file", "f_inode", ino);
	base_is(p, AT(ino));
	READ(p, "inode", "i_ino", ino);
	iter_move(p, BASE, SOCK);
	READ(p, "socket", "sk", sock);
	base_is(p, AT(sock));
	READ(p, "sock", "sk_err", err);
	READ(p, "sock", "sk_reuseport_cb", group);
	READ(p, "udp_sock", "pending", held);
	read_group(p);
	iter_write(p, SEQ, RECORD);
	if (iter_find(p->btf, "sock_reuseport", "socks", &socks) < 0)
		p->err = -EOPNOTSUPP;
	write_array(p, map, AT(group), (int)socks.bit / 8, AT(n_socks), SOCKS_MAX);
	write_array(p, map, AT(filter), 0, AT(n_filter), FILTER_MAX);
	iter_exit(p);
}

/* A record with what follows it, malloc()ed. */
struct kept {
	struct hidden h;
	struct sock_filter filter[];
};

static int place_of(const struct record *r, const char *socks, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t sock;

		memcpy(&sock, socks + i * sizeof(sock), sizeof(sock));
		if (sock == r->sock)
			return (int)i;
	}
	return -1;
}

static int keep(struct map *found, const struct record *r, const char *socks, size_t n_socks, size_t n_filter)
{
	struct kept *k, *old = map_get(found, r->ino);

	if (old || (!r->err && !r->held && !r->group))
		return 0;
	k = malloc(sizeof(*k) + n_filter * sizeof(k->filter[0]));
	if (!k)
		return -ENOMEM;
	k->h = (struct hidden){ .err = (int)r->err,
				.held = r->held,
				.group = r->group,
				.index = place_of(r, socks, n_socks),
				.prog_id = r->n_filter ? 0 : r->prog_id,
				.n_filter = r->n_filter,
				.filter = n_filter == r->n_filter ? k->filter : NULL };
	memcpy(k->filter, socks + n_socks * sizeof(uint64_t), n_filter * sizeof(k->filter[0]));
	if (map_put(found, r->ino, k) < 0) {
		free(k);
		return -ENOMEM;
	}
	return 0;
}

static ssize_t take_record(void *arg, const void *data, size_t len)
{
	struct record r;
	size_t n_socks, n_filter, whole;
	int err;

	if (len < sizeof(r))
		return 0;
	memcpy(&r, data, sizeof(r));
	n_socks = MIN(r.n_socks, SOCKS_MAX);
	n_filter = MIN(r.n_filter, FILTER_MAX);
	whole = sizeof(r) + n_socks * sizeof(uint64_t) + n_filter * sizeof(struct sock_filter);
	if (len < whole)
		return 0;
	err = keep(arg, &r, (const char *)data + sizeof(r), n_socks, n_filter);
	return err < 0 ? err : (ssize_t)whole;
}

/* All descriptors of this process. */
static int look(struct map *found)
{
	union bpf_iter_link_info own = { .task.pid = (uint32_t)getpid() };
	struct bpf_link_create_opts opts = { .sz = sizeof(opts),
					     .iter_info = &own,
					     .iter_info_len = sizeof(own) };
	_cleanup_close_ int map = bpf_map_create(BPF_MAP_TYPE_ARRAY, NULL, 4, SOCKS_MAX * 8, 1, NULL),
			    prog = -1, link = -1, iter = -1;

	if (map < 0)
		return map == -EPERM || map == -ENOSYS ? -EOPNOTSUPP : map;
	prog = iter_program("bpf_iter_task_file", assemble, map);
	if (prog < 0)
		return prog;
	link = bpf_link_create(prog, 0, BPF_TRACE_ITER, &opts);
	if (link < 0)
		return link == -EINVAL ? -EOPNOTSUPP : link;
	iter = bpf_iter_create(link);
	return iter < 0 ? iter : iter_read(iter, take_record, found);
}

int hidden_of(struct dump *d, const struct file_desc *f, struct hidden *ret)
{
	struct sock_table *t = sk_table(d);
	const struct kept *k;

	if (!t)
		return -ENOMEM;
	if (!t->hidden_asked) {
		t->hidden_asked = true;
		t->hidden_err = look(&t->hidden);
	}
	if (t->hidden_err < 0)
		return t->hidden_err;
	k = map_get(&t->hidden, f->st.st_ino);
	*ret = k ? k->h : (struct hidden){ .index = -1 };
	return 0;
}
