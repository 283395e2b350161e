/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Groups of SO_REUSEPORT, socket(7), net/core/sock_reuseport.c of Linux 6.18.
 *
 * No system call shows them: hidden.h does. The program of SO_ATTACH_REUSEPORT_CBPF answers with a number
 * in the order of the group, which is that of bind(2) (UDP) or listen(2), but that the last takes the place
 * of one that leaves. So the sockets of a group are made in their order, and the program is attached when
 * all are there. Refused: eBPF programs, which cannot be read back. Where the kernel has no type information
 * (BTF) groups are restored without a program and in any order, with a warning.
 */
#include <linux/filter.h>
#include <netinet/tcp.h>

#include "base/log.h"
#include "file/file.h"
#include "sock/hidden.h"
#include "sock/reuse.h"
#include "sock/sk.h"

#define REFUSED                                                                                          \
	"an eBPF program (%u) chooses in its group of SO_REUSEPORT, and cannot be read back; detach it " \
	"(SO_DETACH_REUSEPORT_BPF)"
#define INDEX_MAX 65535

/* Connections take the option over from their listening sockets, and are in no group. */
static bool may_be_member(const struct file_desc *f)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	if (sk_int(f->fd, SOL_SOCKET, SO_REUSEPORT) <= 0)
		return false;
	if (getsockopt(f->fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return true;
	return info.tcpi_state == TCP_LISTEN || info.tcpi_state == TCP_CLOSE;
}

int reuse_survey(struct dump *d, const struct file_desc *f)
{
	struct hidden h;

	if (!may_be_member(f) || hidden_of(d, f, &h) < 0 || !h.prog_id)
		return 0;
	return dump_obstacle(d, "%s: " REFUSED, file_desc_name(f), h.prog_id);
}

/* Groups are numbered as they are met. */
static int number_of(struct sock_table *t, uint64_t group, uint32_t *ret)
{
	uintptr_t n = (uintptr_t)map_get(&t->groups, group);

	if (!n) {
		n = t->groups.n + 1;
		if (map_put(&t->groups, group, (void *)n) < 0)
			return -ENOMEM;
	}
	*ret = (uint32_t)n;
	return 0;
}

static int add_member(struct dump *d, const struct hidden *h, SockEntry *s)
{
	ReuseportEntry *e = s->reuseport = malloc(sizeof(*e));

	if (!e)
		return -ENOMEM;
	reuseport_entry__init(e);
	e->index = (uint32_t)h->index;
	e->has_filter = h->n_filter;
	if (h->n_filter && sk_set_bytes(&e->filter, h->filter, h->n_filter * sizeof(*h->filter)) < 0)
		return -ENOMEM;
	return number_of(d->socks, h->group, &e->group);
}

int reuse_dump(struct dump *d, const struct file_desc *f, SockEntry *s)
{
	struct hidden h;
	int err;

	if (!may_be_member(f))
		return 0;
	err = hidden_of(d, f, &h);
	if (err == -EOPNOTSUPP) {
		if (!d->socks->groups_said)
			log_warn("%s and others: programs that choose in groups of SO_REUSEPORT are not "
				 "shown by this kernel (no BTF), and lost",
				 file_desc_name(f));
		d->socks->groups_said = true;
		return 0;
	}
	if (err < 0)
		return log_errno(err, "%s: its group of SO_REUSEPORT", file_desc_name(f));
	if (h.prog_id) {
		log_error("%s: " REFUSED, file_desc_name(f), h.prog_id);
		return -EOPNOTSUPP;
	}
	if (h.group && (h.index < 0 || (h.n_filter && !h.filter))) {
		log_error("%s: its group of SO_REUSEPORT is too large, or the program of it too long",
			  file_desc_name(f));
		return -EOPNOTSUPP;
	}
	return h.group && add_member(d, &h, s) < 0 ? log_oom() : 0;
}

bool reuse_ok(const ReuseportEntry *e)
{
	return e->index <= INDEX_MAX &&
	       (!e->has_filter || (e->filter.len && e->filter.len % sizeof(struct sock_filter) == 0 &&
				   e->filter.len / sizeof(struct sock_filter) <= BPF_MAXINSNS));
}

static const SockEntry *sock_of(const FileEntry *msg)
{
	return msg->kind_case == FILE_ENTRY__KIND_TCP	 ? msg->tcp->sock
	       : msg->kind_case == FILE_ENTRY__KIND_INET ? msg->inet->sock
							 : NULL;
}

static int compare(const void *a, const void *b)
{
	const struct sock_member *x = a, *y = b;

	if (x->place != y->place)
		return x->place < y->place ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

static struct sock_member member(const FileEntry *msg, const ReuseportEntry *e)
{
	return (struct sock_member){ (uint64_t)e->group << 32 | e->index, msg->id };
}

/* All of the image, in order. */
static int collect(struct restore *r, struct sock_store *s)
{
	const FileEntry *msg;

	for (uint32_t id = 1; (msg = files_entry(r, id)); id++) {
		const SockEntry *sock = sock_of(msg);

		if (!sock || !sock->reuseport)
			continue;
		if (!GROW(s->members, s->n_members))
			return -ENOMEM;
		s->members[s->n_members++] = member(msg, sock->reuseport);
	}
	qsort(s->members, s->n_members, sizeof(*s->members), compare);
	return 0;
}

int reuse_deps(struct restore *r, const FileEntry *msg)
{
	const SockEntry *sock = sock_of(msg);
	struct sock_store *s = sk_store(r);
	struct sock_member own;
	const struct sock_member *at;

	if (!sock || !sock->reuseport)
		return 0;
	if (!s || (!s->n_members && collect(r, s) < 0))
		return log_oom();
	own = member(msg, sock->reuseport);
	at = bsearch(&own, s->members, s->n_members, sizeof(own), compare);
	if (!at || at == s->members || at[-1].place >> 32 != own.place >> 32)
		return 0;
	return file_dep(r, at[-1].id);
}

static int attach(int fd, struct sock_filter *filter, size_t n)
{
	const struct sock_fprog prog = { .len = (unsigned short)n, .filter = filter };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &prog, sizeof(prog)) < 0 ? -errno : 0;
}

int reuse_choose(const ReuseportEntry *e, int fd)
{
	struct sock_filter code[] = { BPF_STMT(BPF_RET | BPF_K, e->index) };

	return attach(fd, code, ARRAY_SIZE(code));
}

int reuse_set(const ReuseportEntry *e, int fd)
{
	int none = 0;

	if (e->has_filter)
		return attach(fd, (struct sock_filter *)e->filter.data,
			      e->filter.len / sizeof(struct sock_filter));
	if (setsockopt(fd, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, &none, sizeof(none)) < 0 && errno != ENOENT)
		return -errno;
	return 0;
}

int reuse_restore(const FileEntry *msg, const SockEntry *s, int fd)
{
	int err = s->reuseport && s->reuseport->has_filter ? reuse_set(s->reuseport, fd) : 0;

	return err < 0 ? log_errno(err, "%s: attach the program of its group of SO_REUSEPORT",
				   file_entry_name(msg))
		       : 0;
}
