/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside of file/: the tables behind file.h and what the kinds share. Memory belongs to the table
 * (dump) or the store (restore) and is freed by files_dump_done() and files_restore_done().
 */
#pragma once

#include "base/map.h"
#include "core/obj.h"
#include "file/file.h"

/* One descriptor number of a table. */
struct fd_slot {
	int fd;
	uint32_t file_id;
	bool cloexec;
};

struct fd_table {
	uint32_t files_id;
	struct task *task; /* the first holder */
	struct fd_slot *fds; /* ascending */
	size_t n;
};

/* The descriptions of one inode, in the order of kcmp(KCMP_FILE). */
struct file_group {
	struct file_desc **descs;
	size_t n;
};

struct file_lock {
	uint32_t file_id;
	LockEntry *msg;
};

struct remaps;

struct file_table {
	bool running; /* the survey's: descriptors may be closed at any moment */
	struct file_desc **descs; /* by id - 1 */
	size_t n;
	struct map groups; /* map_mix(st_dev, st_ino) to struct file_group */
	struct fd_table *tables;
	size_t n_tables;
	struct file_lock *locks;
	size_t n_locks;
	struct map shared; /* inode of a pipe, memfd, terminal to the id of what is dumped once */
	uint32_t n_shared;
	ProtobufCMessage **ghosts; /* GhostEntry, by id - 1 */
	size_t n_ghosts;
	struct remaps *remaps; /* remap.c; NULL: none */
};

struct file_obj {
	FileEntry *msg;
	const struct file_ops *ops;
	int fd; /* ours, -1 before it is made */
	uint32_t *deps;
	size_t n_deps;
	int mark; /* of the topological sort: 0 unseen, 1 on the path, 2 done */
};

struct tty_pty;

struct file_store {
	ProtobufCMessage **msgs, **tables, **ghosts;
	struct file_obj *objs; /* by id - 1 */
	size_t n, n_tables, n_ghosts;
	uint32_t *order;
	size_t n_order;
	uint32_t planning; /* the file whose deps() runs */
	struct map kept; /* something kept by a kind until all is done: key to descriptor + 1 */
	struct tty_pty *ptys; /* tty_restore.c */
	size_t n_ptys;
	struct remaps *remaps; /* remap.c; NULL: none */
};

/* registry.c */
const struct file_ops *file_ops_match(const struct file_desc *f);
const struct file_ops *file_ops_kind(FileEntry__KindCase kind);

/* A malloc()ed initialized message, for dump(); NULL when out of memory. */
#define MSG_NEW(type, prefix)                   \
	({                                      \
		type *_m = malloc(sizeof(*_m)); \
		if (_m)                         \
			prefix##__init(_m);     \
		_m;                             \
	})
/* Take @bytes (malloc()ed) as value of a bytes field. */
static inline ProtobufCBinaryData binary_take(void *bytes, size_t len)
{
	return (ProtobufCBinaryData){ .len = len, .data = bytes };
}
int binary_copy(ProtobufCBinaryData *to, const void *bytes, size_t len);

/*
 * The id (from 1) of the shared thing behind @f (all descriptions with this st_dev, st_ino; @salt
 * tells apart things with the same inode). *@ret_first: asked for the first time.
 */
int file_shared_id(struct dump *d, const struct file_desc *f, uint64_t salt, uint32_t *ret_id,
		   bool *ret_first);

/* The same for any key. */
int shared_id(struct dump *d, uint64_t key, uint32_t *ret_id, bool *ret_first);

/* Restore: descriptors kept under a key until files_restore_done(). keep() consumes @fd. */
int file_keep(struct restore *r, uint64_t key, int fd);
int file_kept(const struct restore *r, uint64_t key); /* borrowed; -ENOENT */
int file_unkeep(struct restore *r, uint64_t key); /* given to the caller; -ENOENT */
void files_kept_done(struct file_store *s);
/* Kinds of keys. */
enum keep_kind { KEEP_PIPE = 1, KEEP_PIPE_R, KEEP_PIPE_W, KEEP_MEMFD, KEEP_GHOST, KEEP_MASTER, KEEP_SPARE };
static inline uint64_t keep_key(enum keep_kind kind, uint32_t id)
{
	return (uint64_t)kind << 32 | id;
}

/* Is any other collected description the same inode with an access mode in @accmodes (1 << O_RDONLY ...)? */
bool file_has_end(struct dump *d, const struct file_desc *f, unsigned int accmodes);

/*
 * ids.c: user and group ids through the user namespace of the dumped root; pids through its pid
 * namespace. `proc` is /proc/PID of the root task.
 */
int id_to_ns(int proc, const char *map, uint32_t host, uint32_t *ret);
int id_to_host(int proc, const char *map, uint32_t id, uint32_t *ret);
/* The owner of the inode behind @f, as its container sees it. */
int file_owner(struct dump *d, const struct file_desc *f, uint32_t *ret_uid, uint32_t *ret_gid);
/* fchown our @fd to ids of the container. */
int file_chown(struct restore *r, int fd, uint32_t uid, uint32_t gid);
/* The pid in the dumped root's pid namespace of a task we see as @pid; -ESRCH: not in it. */
int pid_to_ns(struct dump *d, pid_t pid, int32_t *ret);

/* The process group of @pid (one of us), in that namespace. */
int pid_group_to_ns(struct dump *d, pid_t pid, int32_t *ret);

/* fown.c, locks.c: FileEntry.fown and .locks. */
int fown_dump(struct dump *d, const struct file_desc *f, FileEntry *msg);
int fown_restore(struct restore *r, const FileEntry *msg, int fd);
int locks_collect(struct dump *d, const struct fd_table *t, const struct fd_slot *s, const char *fdinfo);
int locks_dump(struct dump *d, const struct file_desc *f, FileEntry *msg);
int locks_restore(struct restore *r, const FileEntry *msg, int fd);

/* path.c: is the name /proc shows for @f the file itself? For survey and dump. */
enum path_state {
	PATH_OK, /* the name leads to it */
	PATH_DELETED, /* no name left */
	PATH_LINKED, /* this name is gone, others exist */
	PATH_HIDDEN, /* something is mounted over it, or it was replaced */
};
/* The root directory (O_PATH) of the mount namespace in which the mount of @f is. */
int file_root_open(struct dump *d, const struct file_desc *f);
int file_path_state(struct dump *d, const struct file_desc *f, enum path_state *ret, char **ret_path);
/* open(2) of our own @fd's file again: a new description; O_CLOEXEC | O_NOCTTY are added. */
int fd_reopen(int fd, int flags);
/* open(2) by @hand of @path with @flags (never O_CREAT): our own descriptor, or negative errno. */
int hand_open(struct remote *hand, const char *path, int flags);
/* The same by us, from outside; @flags as openat2(2) wants them. */
int outside_open(const struct remote *hand, const char *path, int flags);
/* The task in mount namespace @mnt_ns_id (0: any). */
struct rtask *maker_in_mnt(struct restore *r, uint32_t mnt_ns_id);

/* collect.c: the table of the dump, made on first use; all descriptors of @t entered. */
struct file_table *files_of(struct dump *d);
int files_collect_table(struct dump *d, struct task *t);
/* Is @number the control socket of a hand in @t's descriptor table? collect.c */
bool is_hands_own(struct dump *d, struct task *t, int number);
/* tty.c: the controlling terminals nobody has open are descriptions too. */
int tty_collect_controlling(struct dump *d);

/* The path, from the root of f's mount namespace, of the ptmx node of the devpts @dev; left alone if none is
 * found. */
int tty_find_ptmx(struct dump *d, const struct file_desc *f, dev_t dev, char **ret);
/* tty_restore.c: masters nobody in the image holds go to the keeper. */
int tty_keep_masters(struct restore *r);
void ttys_done(struct file_store *s);

/* ghost.c */
int ghost_dump(struct dump *d, const struct file_desc *f, uint32_t *ret_id);
/* A descriptor of ghost @id opened with @flags through the directory of @path by @hand. */
int ghost_open(struct restore *r, struct remote *hand, uint32_t id, const char *path, int flags);
int ghosts_write(struct dump *d);
int ghosts_load(struct restore *r);
const struct GhostEntry *ghost_entry(const struct restore *r, uint32_t id);

/* data.c: sparse contents between a file and an image. Extents are (offset, length) pairs. */
int data_extents(int fd, uint64_t size, uint64_t **ret, size_t *ret_n);
int data_save(struct dump *d, int fd, const uint64_t *ext, size_t n, const char *name);
int data_load(struct restore *r, int fd, const uint64_t *ext, size_t n, const char *name);
int data_check(const uint64_t *ext, size_t n, uint64_t size);
