/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * System V shared memory. Contents are read through /proc/self/map_files, where a segment is the
 * tmpfs file it is: holes are skipped and swap is seen. A segment that was removed but is still
 * attached is made as any other and removed again when its users have attached it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/shm.h>
#include <sys/vfs.h>

#include "base/log.h"
#include "base/procfs.h"
#include "image/image.h"
#include "ns/ipc.h"

#define HUGETLBFS 0x958458f6
#define COPY_SIZE (1 << 20)

static void raw_name(char *buf, size_t size, uint32_t ns_id, uint32_t id)
{
	snprintf(buf, size, "ipc-shm-%u-%u.img", ns_id, id);
}

/* The segment attached at @addr as a file. */
static int segment_file(const void *addr, uint64_t size)
{
	uint64_t start = (uintptr_t)addr;
	char path[96];

	for (uint64_t align = 4096; align <= 1ULL << 30; align <<= 9) {
		snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", start,
			 start + ALIGN_UP(size, align));
		int fd = open(path, O_RDWR | O_CLOEXEC);

		if (fd >= 0 || errno != ENOENT)
			return RET_NERRNO(fd);
	}
	return -ENOENT;
}

static int copy_range(const void *addr, int out, off_t from, off_t len)
{
	return write_all(out, (const char *)addr + from, len);
}

static int add_extent(IpcShmEntry *e, uint64_t offset, uint64_t length)
{
	IpcExtentEntry *x = malloc(sizeof(*x));

	if (!x || pb_append(&e->extents, &e->n_extents, x) < 0) {
		free(x);
		return -ENOMEM;
	}
	ipc_extent_entry__init(x);
	x->offset = offset;
	x->length = length;
	return 0;
}

static int dump_data(IpcShmEntry *e, const void *addr, int file, int out)
{
	off_t data = 0, hole;
	int err = 0;

	while (!err && data < (off_t)e->size && (data = lseek(file, data, SEEK_DATA)) >= 0) {
		hole = lseek(file, data, SEEK_HOLE);
		if (hole < 0)
			break;
		hole = MIN(hole, (off_t)e->size);
		err = add_extent(e, data, hole - data);
		if (!err)
			err = copy_range(addr, out, data, hole - data);
		data = hole;
	}
	if (err)
		return err;
	return data < 0 && errno != ENXIO ? -errno : 0;
}

static int dump_attached(struct ipc_visit *v, IpcShmEntry *e, const void *addr)
{
	_cleanup_close_ int file = segment_file(addr, e->size), out = -1;
	struct statfs fs;
	char name[64];

	if (file < 0)
		return file;
	if (fstatfs(file, &fs) < 0)
		return -errno;
	if ((uint64_t)fs.f_type == HUGETLBFS) {
		e->has_huge_shift = true;
		e->huge_shift = __builtin_ctzl(fs.f_bsize);
	}
	raw_name(name, sizeof(name), v->ns_id, e->perm->id);
	out = image_raw_create(v->img, name);
	return out < 0 ? out : dump_data(e, addr, file, out);
}

static int dump_contents(struct ipc_visit *v, IpcShmEntry *e)
{
	void *addr = shmat(e->perm->id, NULL, SHM_RDONLY);
	int err;

	if (addr == (void *)-1)
		return -errno;
	err = dump_attached(v, e, addr);
	shmdt(addr);
	return err;
}

static int dump_one(struct ipc_visit *v, int id)
{
	struct shmid_ds ds;
	IpcShmEntry *e;

	if (shmctl(id, IPC_STAT, &ds) < 0)
		return -errno;
	e = malloc(sizeof(*e));
	if (!e || pb_append(&v->msg->shms, &v->msg->n_shms, e) < 0) {
		free(e);
		return -ENOMEM;
	}
	ipc_shm_entry__init(e);
	e->perm = ipc_perm_new(id, &ds.shm_perm);
	if (!e->perm)
		return -ENOMEM;
	e->size = ds.shm_segsz;
	e->has_locked = e->locked = ds.shm_perm.mode & SHM_LOCKED;
	e->has_dest = e->dest = ds.shm_perm.mode & SHM_DEST;
	return dump_contents(v, e);
}

int ipc_shm_dump(struct ipc_visit *v)
{
	_cleanup_free_ int64_t *rows = NULL;
	size_t n;
	int err = ipc_list("shm", 2, &rows, &n);

	for (size_t i = 0; i < n && !err; i++) {
		err = dump_one(v, (int)rows[i * 2 + 1]);
		if (err < 0)
			log_errno(err, "shared memory segment %d (key %#x)", (int)rows[i * 2 + 1],
				  (unsigned int)rows[i * 2]);
	}
	return err;
}

int ipc_shm_check(const IpcShmEntry *msg)
{
	uint64_t end = 0;

	if (ipc_perm_check(msg->perm) < 0 || !msg->size || msg->size > 1ULL << 46 ||
	    (msg->has_huge_shift && (msg->huge_shift < 12 || msg->huge_shift > 40)))
		return -EBADMSG;
	for (size_t i = 0; i < msg->n_extents; i++) {
		const IpcExtentEntry *x = msg->extents[i];

		if (x->offset < end || x->offset > msg->size || x->length > msg->size - x->offset)
			return -EBADMSG;
		end = x->offset + x->length;
	}
	return 0;
}

static int fill(const struct ipc_visit *v, const IpcShmEntry *e, char *addr)
{
	_cleanup_close_ int in = -1;
	char name[64];
	off_t pos = 0;
	int err = 0;

	if (!e->n_extents)
		return 0;
	raw_name(name, sizeof(name), v->ns_id, e->perm->id);
	in = image_raw_open(v->img, name);
	if (in < 0)
		return in;
	for (size_t i = 0; i < e->n_extents && !err; i++) {
		err = pread_all(in, addr + e->extents[i]->offset, e->extents[i]->length, pos);
		pos += (off_t)e->extents[i]->length;
	}
	return err;
}

static int make_segment(const IpcShmEntry *e)
{
	int flags = IPC_CREAT | IPC_EXCL | (int)e->perm->mode, id, err;

	if (e->has_huge_shift)
		flags |= SHM_HUGETLB | (int)(e->huge_shift << 26);
	err = ipc_before("shm", e->perm);
	id = err < 0 ? err : RET_NERRNO(shmget(e->perm->key, e->size, flags));
	ipc_after();
	if (id >= 0 && id != (int)e->perm->id) {
		shmctl(id, IPC_RMID, NULL);
		return -EEXIST;
	}
	return id < 0 ? id : 0;
}

static int restore_one(const struct ipc_visit *v, const IpcShmEntry *e)
{
	struct shmid_ds ds;
	void *addr;
	int id = (int)e->perm->id, err = make_segment(e);

	if (err < 0)
		return err;
	addr = shmat(id, NULL, 0);
	if (addr == (void *)-1)
		return -errno;
	err = fill(v, e, addr);
	shmdt(addr);
	if (err < 0)
		return err;
	if (shmctl(id, IPC_STAT, &ds) < 0)
		return -errno;
	ipc_perm_fill(e->perm, &ds.shm_perm);
	if (shmctl(id, IPC_SET, &ds) < 0)
		return -errno;
	return e->locked && shmctl(id, SHM_LOCK, NULL) < 0 ? -errno : 0;
}

int ipc_shm_restore(const struct ipc_visit *v)
{
	for (size_t i = 0; i < v->msg->n_shms; i++) {
		const IpcShmEntry *e = v->msg->shms[i];
		int err = restore_one(v, e);

		if (err < 0)
			return log_errno(err, "shared memory segment %u (key %#x, %llu bytes)", e->perm->id,
					 (unsigned int)e->perm->key, (unsigned long long)e->size);
	}
	return 0;
}

int ipc_shm_finish(const struct ipc_visit *v)
{
	for (size_t i = 0; i < v->msg->n_shms; i++) {
		const IpcShmEntry *e = v->msg->shms[i];

		if (e->dest && shmctl((int)e->perm->id, IPC_RMID, NULL) < 0)
			return log_errno(errno, "shared memory segment %u: remove", e->perm->id);
	}
	return 0;
}
