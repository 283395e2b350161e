/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Small questions the socket kinds ask; see sk.h. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "base/io.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/procfs.h"
#include "base/syscalls.h"
#include "image/image.h"
#include "sock/sk.h"
#include "sock/sock.h"

struct sock_store *sk_store(struct restore *r)
{
	if (!r->socks)
		r->socks = calloc(1, sizeof(*r->socks));
	return r->socks;
}

struct sock_rec *sk_rec(struct restore *r, uint32_t id)
{
	struct sock_rec *rec;

	if (!sk_store(r))
		return NULL;
	rec = map_get(&r->socks->recs, id);
	if (rec)
		return rec;
	rec = calloc(1, sizeof(*rec));
	if (!rec || map_put(&r->socks->recs, id, rec) < 0) {
		free(rec);
		return NULL;
	}
	rec->fd = -1;
	rec->dir = -1;
	return rec;
}

void sock_restore_done(struct restore *r)
{
	if (!r->socks)
		return;
	for (size_t i = 0; i < r->socks->recs.cap; i++) {
		struct sock_rec *rec = r->socks->recs.slots[i].val;

		if (!rec)
			continue;
		close_fd(&rec->fd);
		close_fd(&rec->dir);
		free(rec->base);
		for (size_t j = 0; j < rec->n_senders; j++)
			close_fd(&rec->senders[j].fd);
		free(rec->senders);
		free(rec);
	}
	map_done(&r->socks->recs);
	free(r->socks->connecting);
	free(r->socks->members);
	image_messages_free(r->socks->orphans, r->socks->n_orphans);
	image_messages_free(r->socks->waiting, r->socks->n_waiting);
	free(r->socks);
	r->socks = NULL;
}

int sk_borrow(const struct file_desc *f, int *ret_own)
{
	_cleanup_close_ int pidfd = -1;
	int fd;

	*ret_own = -1;
	if (f->fd >= 0)
		return f->fd;
	pidfd = sys_pidfd_open(f->task->pid, 0);
	if (pidfd < 0)
		return -errno;
	fd = sys_pidfd_getfd(pidfd, f->task_fd);
	if (fd < 0)
		return -errno;
	*ret_own = fd;
	return fd;
}

bool sk_is(const struct file_desc *f, int domain, int type, int protocol)
{
	_cleanup_close_ int own = -1;
	int fd;

	if (!S_ISSOCK(f->st.st_mode) || (f->flags & O_PATH))
		return false;
	fd = sk_borrow(f, &own);
	if (fd < 0 || sk_int(fd, SOL_SOCKET, SO_DOMAIN) != domain)
		return false;
	if (type >= 0 && sk_int(fd, SOL_SOCKET, SO_TYPE) != type)
		return false;
	return protocol < 0 || sk_int(fd, SOL_SOCKET, SO_PROTOCOL) == protocol;
}

int sk_int(int fd, int level, int name)
{
	int value = 0;
	socklen_t len = sizeof(value);

	return getsockopt(fd, level, name, &value, &len) < 0 ? -errno : value;
}

int sk_set_bytes(ProtobufCBinaryData *b, const void *data, size_t len)
{
	b->data = malloc(len ? len : 1);
	if (!b->data)
		return -ENOMEM;
	memcpy(b->data, data, len);
	b->len = len;
	return 0;
}

/* Line "inside outside count" of /proc/PID/uid_map: @id from column @from to the other one. */
static uint32_t map_id(int proc, const char *map, int from, uint32_t id)
{
	_cleanup_free_ char *text = NULL;
	char *p, *line;

	if (read_text_at(proc, map, &text) < 0)
		return 65534;
	p = text;
	while ((line = next_line(&p))) {
		unsigned int v[2], count;

		if (sscanf(line, "%u %u %u", &v[0], &v[1], &count) == 3 && id >= v[from] &&
		    id - v[from] < count)
			return v[!from] + (id - v[from]);
	}
	return 65534;
}

uint32_t sk_id_inside(struct dump *d, const char *map, uint32_t host)
{
	return d->tasks[0]->ns[NS_USER] ? map_id(d->tasks[0]->proc, map, 1, host) : host;
}

uint32_t sk_id_outside(struct restore *r, const char *map, uint32_t id)
{
	const TaskEntry *root = r->tasks[0].msg;
	_cleanup_close_ int proc = -1;

	if (root->n_ns_ids != NS_KINDS || !root->ns_ids[NS_USER])
		return id;
	proc = proc_open(r->tasks[0].pid);
	return proc < 0 ? 65534 : map_id(proc, map, 0, id);
}

uint32_t sk_task_id(struct dump *d, pid_t pid)
{
	struct task *t = dump_find_task(d, pid);

	return t ? t->id : 0;
}

static int ns_ino(int fd, uint64_t *ret)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	*ret = st.st_ino;
	return 0;
}

struct sock_table *sk_table(struct dump *d)
{
	struct stat st;

	if (d->socks)
		return d->socks;
	d->socks = calloc(1, sizeof(*d->socks));
	if (d->socks && stat("/proc/self/ns/net", &st) == 0)
		d->socks->own_ns = st.st_ino;
	return d->socks;
}

/* The inode of the socket that is descriptor @fd of /proc/PID @proc; 0 for anything else. */
static unsigned long socket_inode(int proc, int fd)
{
	_cleanup_free_ char *link = NULL;
	unsigned long ino;
	char path[32];

	snprintf(path, sizeof(path), "fd/%d", fd);
	return readlink_at(proc, path, &link) >= 0 && sscanf(link, "socket:[%lu]", &ino) == 1 ? ino : 0;
}

int sk_inodes(struct dump *d, struct map *ret)
{
	int err = 0;

	for (size_t i = 0; i < d->n_tasks; i++) {
		_cleanup_free_ int *fds = NULL;
		size_t n = 0;

		if (proc_list(d->tasks[i]->proc, "fd", &fds, &n) < 0)
			continue;
		for (size_t j = 0; err == 0 && j < n; j++) {
			unsigned long held = socket_inode(d->tasks[i]->proc, fds[j]);

			if (held)
				err = map_put(ret, held, d);
		}
	}
	return err;
}

bool sk_held(struct dump *d, ino_t ino)
{
	struct sock_table *t = sk_table(d);

	if (!t)
		return false;
	if (map_get(&t->inodes, ino))
		return true;
	return sk_inodes(d, &t->inodes) == 0 && map_get(&t->inodes, ino);
}

static bool proc_holds(int proc, ino_t ino)
{
	_cleanup_free_ int *fds = NULL;
	size_t n = 0;

	if (proc_list(proc, "fd", &fds, &n) < 0)
		return false;
	for (size_t i = 0; i < n; i++)
		if (socket_inode(proc, fds[i]) == ino)
			return true;
	return false;
}

pid_t sk_holder(ino_t ino)
{
	_cleanup_free_ int *pids = NULL;
	size_t n = 0;

	if (proc_list(AT_FDCWD, "/proc", &pids, &n) < 0)
		return 0;
	for (size_t i = 0; i < n; i++) {
		_cleanup_close_ int proc = proc_open(pids[i]);

		if (proc >= 0 && proc_holds(proc, ino))
			return pids[i];
	}
	return 0;
}

int sk_net_ns(struct dump *d, const struct file_desc *f, uint32_t *ret_id)
{
	_cleanup_close_ int own = -1, nsfd = -1;
	int fd = sk_borrow(f, &own);
	struct sock_table *t = sk_table(d);
	struct ns *ns;
	uint64_t ino = 0;

	if (!t)
		return log_oom();
	if (fd >= 0)
		nsfd = ioctl(fd, SIOCGSKNS);
	if (fd < 0 || nsfd < 0 || ns_ino(nsfd, &ino) < 0)
		return log_errno(errno, "%s: network namespace of the socket", file_desc_name(f));
	ns = dump_find_ns(d, ino);
	if (ns) {
		*ret_id = ns->id;
		return 0;
	}
	if (ino == t->own_ns && (!f->task->ns[NS_NET] || f->task->ns[NS_NET]->ino == ino)) {
		*ret_id = 0;
		return 0;
	}
	log_error("%s: belongs to a network namespace outside the container (inode %llu); close it",
		  file_desc_name(f), (unsigned long long)ino);
	return -EOPNOTSUPP;
}

struct rtask *sk_maker(struct restore *r, uint32_t net_ns_id)
{
	return restore_task_in(r, NS_NET, net_ns_id);
}

int sk_make(const FileEntry *file, const SockEntry *s, struct remote *hand)
{
	long fd = remote_syscall(hand, SYS_socket, s->domain, s->type | SOCK_CLOEXEC, s->protocol);

	if (fd >= 0)
		fd = remote_take_fd(hand, fd);
	if (fd < 0)
		log_errno(fd, "%s: socket(%u, %u, %u)", file_entry_name(file), s->domain, s->type,
			  s->protocol);
	return fd;
}

bool sk_inet_addr_ok(const ProtobufCBinaryData *b, uint32_t domain)
{
	struct sockaddr sa;

	if (b->len != (domain == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6)))
		return false;
	memcpy(&sa, b->data, sizeof(sa));
	return sa.sa_family == domain;
}

int sk_dump_addr(int fd, bool peer, ProtobufCBinaryData *ret)
{
	union sk_addr a;
	socklen_t len = sizeof(a);

	if ((peer ? getpeername : getsockname)(fd, &a.sa, &len) < 0)
		return errno == ENOTCONN ? 0 : -errno;
	return sk_set_bytes(ret, &a, MIN(len, sizeof(a))) < 0 ? -ENOMEM : 1;
}

const char *sk_ip_text(const union sk_addr *a)
{
	static _Thread_local char text[INET6_ADDRSTRLEN];

	return inet_ntop(a->sa.sa_family,
			 a->sa.sa_family == AF_INET6 ? (const void *)&a->in6.sin6_addr : &a->in.sin_addr,
			 text, sizeof(text))
		       ?: "?";
}

const char *sk_addr_text(const void *addr, size_t len)
{
	static _Thread_local char ring[4][INET6_ADDRSTRLEN + 10];
	static _Thread_local unsigned int at;
	char *out = ring[at++ % 4], ip[INET6_ADDRSTRLEN] = "?";
	union sk_addr a = { 0 };

	memcpy(&a, addr, MIN(len, sizeof(a)));
	if (a.sa.sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &a.in6.sin6_addr, ip, sizeof(ip));
		snprintf(out, sizeof(ring[0]), "[%s]:%u", ip, ntohs(a.in6.sin6_port));
	} else {
		inet_ntop(AF_INET, &a.in.sin_addr, ip, sizeof(ip));
		snprintf(out, sizeof(ring[0]), "%s:%u", ip, ntohs(a.in.sin_port));
	}
	return out;
}

/* How many there are is not shown: only what they take. */
void sk_warn_queue(const struct file_desc *f, const char *what)
{
	uint32_t mem[SK_MEMINFO_VARS] = { 0 };
	socklen_t len = sizeof(mem);

	if (getsockopt(f->fd, SOL_SOCKET, SO_MEMINFO, mem, &len) == 0 && mem[SK_MEMINFO_RMEM_ALLOC])
		log_warn("%s: %s that wait to be read (%u bytes of memory) are not in the image",
			 file_desc_name(f), what, mem[SK_MEMINFO_RMEM_ALLOC]);
}
