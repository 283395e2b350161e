/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of unix sockets, by a hand.
 *
 * The name a socket shows is the text given to bind(2); the file may be elsewhere: through a symbolic
 * link, below a working directory, renamed, unlinked. Where they agree, bind(2) is simply called.
 * Else the text is bound below a scratch root and the file moved to its place; a socket whose file
 * is gone gets a scratch root on a tmpfs of its own that is mounted nowhere.
 */
#include <dirent.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/securebits.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "base/io.h"
#include "base/log.h"
#include "base/syscalls.h"
#include "sock/unix.h"

socklen_t unix_sockaddr(const void *name, size_t len, struct sockaddr_un *ret)
{
	const char *text = name;

	memset(ret, 0, sizeof(*ret));
	ret->sun_family = AF_UNIX;
	memcpy(ret->sun_path, name, MIN(len, sizeof(ret->sun_path)));
	len = MIN(len, sizeof(ret->sun_path));
	/* A path of the full 108 bytes has no NUL; a shorter one is given with it. */
	if (len && text[0] && len < sizeof(ret->sun_path))
		len++;
	return offsetof(struct sockaddr_un, sun_path) + len;
}

/* Append the bind or connect of @name to the batch. */
static struct remote_call *name_call(struct remote *h, long nr, uint64_t fd, const void *name, size_t len)
{
	struct sockaddr_un a;
	socklen_t alen = unix_sockaddr(name, len, &a);

	return remote_call(h, nr, fd, remote_addr(h, remote_copy(h, &a, sizeof(a))), alen);
}

/* dirname and basename of an absolute path; both malloc()ed. */
static int split_path(const char *path, char **ret_dir, char **ret_base)
{
	const char *slash = strrchr(path, '/');

	if (!slash || !slash[1])
		return -EBADMSG;
	*ret_dir = strndup(path, slash == path ? 1 : slash - path);
	*ret_base = strdup(slash + 1);
	return *ret_dir && *ret_base ? 0 : -ENOMEM;
}

static int take_dir(const struct unix_at *at, const struct remote_call *dir, struct sock_rec *rec,
		    char **base)
{
	int fd = remote_take_fd(at->hand, dir->ret);

	if (fd < 0)
		return fd;
	rec->dir = fd;
	rec->base = TAKE_PTR(*base);
	return 0;
}

static int failed(const struct unix_at *at, int err, const ProtobufCBinaryData *name)
{
	return log_errno(err, "%s: bind to %s", file_entry_name(at->file),
			 unix_name_text(name->data, name->len));
}

/*
 * In a batch: the working directory is the scratch root. Make the directories of @name, bind, open
 * the directory the file is in.
 */
static struct remote_call *scratch_calls(struct remote *h, const ProtobufCBinaryData *name, int fd)
{
	char dir[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];
	char *p;

	snprintf(dir, sizeof(dir), "%.*s", (int)name->len, (const char *)name->data);
	for (p = strchr(dir + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = 0;
		remote_try(h, SYS_mkdir, remote_str(h, dir), 0700);
		*p = '/';
	}
	name_call(h, SYS_bind, fd, name->data, name->len);
	p = strrchr(dir, '/');
	if (p)
		p[p == dir] = 0;
	return remote_call(h, SYS_open, remote_str(h, p ? dir : "."), O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* Bind below the hand's directory @root; rec says where the file is then. */
static int bind_below(const struct unix_at *at, const ProtobufCBinaryData *name, int fd, int root,
		      struct sock_rec *rec)
{
	struct remote *h = at->hand;
	const char *text = (const char *)name->data, *slash = memrchr(text, '/', name->len);
	_cleanup_free_ char *base =
		slash ? strndup(slash + 1, text + name->len - slash - 1) : strndup(text, name->len);
	struct remote_call *old_root, *old_cwd, *dir, *c;
	int err;

	if (!base)
		return -ENOMEM;
	old_root = remote_call(h, SYS_open, remote_str(h, "/"), O_PATH | O_DIRECTORY | O_CLOEXEC);
	old_cwd = remote_call(h, SYS_open, remote_str(h, "."), O_PATH | O_DIRECTORY | O_CLOEXEC);
	remote_call(h, SYS_fchdir, root);
	remote_call(h, SYS_chroot, remote_str(h, "."));
	dir = scratch_calls(h, name, fd);
	remote_ref(h, remote_call(h, SYS_fchdir, 0), 0, old_root);
	remote_call(h, SYS_chroot, remote_str(h, "."));
	remote_ref(h, remote_call(h, SYS_fchdir, 0), 0, old_cwd);
	c = remote_call(h, SYS_close, 0);
	remote_ref(h, c, 0, old_root);
	c = remote_call(h, SYS_close, 0);
	remote_ref(h, c, 0, old_cwd);
	err = remote_run(h);
	return err < 0 ? err : take_dir(at, dir, rec, &base);
}

int unix_bind_scratch(const struct unix_at *at, const ProtobufCBinaryData *name, int fd, struct sock_rec *rec)
{
	struct remote *h = at->hand;
	struct remote_call *fs, *mnt, *c;
	int err;

	if (!name->data[0]) {
		name_call(h, SYS_bind, fd, name->data, name->len);
		err = remote_run(h);
		return err < 0 ? failed(at, err, name) : 0;
	}
	fs = remote_call(h, SYS_fsopen, remote_str(h, "tmpfs"), FSOPEN_CLOEXEC);
	c = remote_call(h, SYS_fsconfig, 0, FSCONFIG_CMD_CREATE, 0, 0, 0);
	remote_ref(h, c, 0, fs);
	mnt = remote_call(h, SYS_fsmount, 0, FSMOUNT_CLOEXEC, 0);
	remote_ref(h, mnt, 0, fs);
	c = remote_call(h, SYS_close, 0);
	remote_ref(h, c, 0, fs);
	err = remote_run(h);
	if (err >= 0) {
		int root = mnt->ret;

		err = bind_below(at, name, fd, root, rec);
		if (err >= 0)
			err = remote_syscall(h, SYS_close, root);
	}
	return err < 0 ? failed(at, err, name) : 0;
}

/* Does the name, as the hand sees it, lead to the file's place? And clear the place. */
static int look(const struct unix_at *at, const char *dir, const char *base, bool *ret_direct)
{
	struct remote *h = at->hand;
	_cleanup_free_ char *name = strndup((const char *)at->u->name.data, at->u->name.len);
	_cleanup_free_ char *name_dir = NULL, *name_base = NULL;
	struct stat *st = remote_alloc(h, 3 * sizeof(*st));
	struct remote_call *there, *named = NULL;
	int err;

	if (!name)
		return -ENOMEM;
	remote_call(h, SYS_newfstatat, AT_FDCWD, remote_str(h, dir), remote_addr(h, &st[0]), 0);
	there = remote_try(h, SYS_newfstatat, AT_FDCWD, remote_str(h, at->u->path), remote_addr(h, &st[1]),
			   AT_SYMLINK_NOFOLLOW);
	if (name[0] == '/' && split_path(name, &name_dir, &name_base) == 0 && streq(base, name_base))
		named = remote_try(h, SYS_newfstatat, AT_FDCWD, remote_str(h, name_dir),
				   remote_addr(h, &st[2]), 0);
	err = remote_run(h);
	if (err < 0)
		return log_errno(err, "%s: directory %s of the socket file", file_entry_name(at->file), dir);
	*ret_direct =
		named && named->ret == 0 && st[0].st_dev == st[2].st_dev && st[0].st_ino == st[2].st_ino;
	if (there->ret < 0)
		return 0;
	if (!S_ISSOCK(st[1].st_mode)) {
		log_error("%s: %s is there and no socket; remove it", file_entry_name(at->file), at->u->path);
		return -EEXIST;
	}
	err = remote_syscall(h, SYS_unlink, remote_str(h, at->u->path));
	return err < 0 ? log_errno(err, "%s: remove the old %s", file_entry_name(at->file), at->u->path) : 0;
}

static int bind_direct(const struct unix_at *at, int fd, const char *dir, char **base, struct sock_rec *rec)
{
	struct remote *h = at->hand;
	struct remote_call *d =
		remote_call(h, SYS_open, remote_str(h, dir), O_PATH | O_DIRECTORY | O_CLOEXEC);
	int err;

	name_call(h, SYS_bind, fd, at->u->name.data, at->u->name.len);
	err = remote_run(h);
	return err < 0 ? err : take_dir(at, d, rec, base);
}

/* Remove the directory @name below @dir; at every level it holds directories only. */
static int remove_tree(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *list = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!list)
		return -errno;
	while ((e = readdir(list)))
		if (!streq(e->d_name, ".") && !streq(e->d_name, ".."))
			remove_tree(fd, e->d_name);
	closedir(list);
	return RET_NERRNO(unlinkat(dir, name, AT_REMOVEDIR));
}

/* Make @dir/.ctcr-ID the scratch root, bind there, move the file to @dir/@base. */
static int bind_moved(const struct unix_at *at, int fd, const char *dir, char **base, struct sock_rec *rec)
{
	_cleanup_free_ char *tmp = xasprintf("%s/.ctcr-%u", dir, at->file->id);
	struct sock_rec at_tmp = { .fd = -1, .dir = -1 };
	struct remote *h = at->hand;
	struct remote_call *root, *d;
	int err, tmp_dir;

	if (!tmp)
		return -ENOMEM;
	remote_call(h, SYS_mkdir, remote_str(h, tmp), 0700);
	root = remote_call(h, SYS_open, remote_str(h, tmp), O_PATH | O_DIRECTORY | O_CLOEXEC);
	d = remote_call(h, SYS_open, remote_str(h, dir), O_PATH | O_DIRECTORY | O_CLOEXEC);
	err = remote_run(h);
	if (err < 0)
		return err;
	tmp_dir = root->ret;
	rec->dir = remote_take_fd(h, d->ret);
	err = rec->dir < 0 ? rec->dir : bind_below(at, &at->u->name, fd, tmp_dir, &at_tmp);
	if (err >= 0)
		err = RET_NERRNO(renameat(at_tmp.dir, at_tmp.base, rec->dir, *base));
	close_fd(&at_tmp.dir);
	free(at_tmp.base);
	if (err < 0)
		return err;
	rec->base = TAKE_PTR(*base);
	/* The scratch directories are ours alone: nothing else can be in them. */
	err = remote_syscall(h, SYS_close, tmp_dir);
	return err < 0 ? err : remove_tree(rec->dir, strrchr(tmp, '/') + 1);
}

/* Owner and mode of the file as they were. */
static int set_owner(const struct unix_at *at)
{
	struct remote *h = at->hand;
	const UnixEntry *u = at->u;
	uint64_t path = remote_str(h, u->path);

	remote_call(h, SYS_fchownat, AT_FDCWD, path, u->uid, u->gid, AT_SYMLINK_NOFOLLOW);
	remote_call(h, SYS_fchmodat, AT_FDCWD, path, u->mode & 07777);
	return remote_run(h);
}

int unix_bind(const struct unix_at *at, int fd, struct sock_rec *rec)
{
	_cleanup_free_ char *dir = NULL, *base = NULL;
	bool direct = false;
	int err;

	if (!at->u->name.data[0] || at->u->unlinked || !at->u->path)
		return unix_bind_scratch(at, &at->u->name, fd, rec);
	err = split_path(at->u->path, &dir, &base);
	if (err == 0)
		err = look(at, dir, base, &direct);
	if (err < 0)
		return err;
	err = direct ? bind_direct(at, fd, dir, &base, rec) : bind_moved(at, fd, dir, &base, rec);
	if (err >= 0)
		err = set_owner(at);
	return err < 0 ? failed(at, err, &at->u->name) : 0;
}

/*
 * What SO_PEERCRED tells is the caller's credentials: become the original one for some calls, with
 * all capabilities kept (SECBIT_NO_SETUID_FIXUP, capabilities(7)).
 */
void unix_creds_begin(struct remote *h, const UnixCredsEntry *c)
{
	if (!c || (!c->uid && !c->gid))
		return;
	remote_call(h, SYS_prctl, PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP);
	/* A nested user namespace may forbid it, or not know a group: SO_PEERGROUPS alone suffers. */
	remote_try(h, SYS_setgroups, c->n_groups,
		   remote_addr(h, remote_copy(h, c->groups, c->n_groups * sizeof(uint32_t))));
	remote_call(h, SYS_setresgid, -1, c->gid, -1);
	remote_call(h, SYS_setresuid, -1, c->uid, -1);
}

void unix_creds_end(struct remote *h, const UnixCredsEntry *c)
{
	if (!c || (!c->uid && !c->gid))
		return;
	remote_call(h, SYS_setresuid, -1, 0, -1);
	remote_call(h, SYS_setresgid, -1, 0, -1);
	remote_try(h, SYS_setgroups, 0, 0);
	remote_call(h, SYS_prctl, PR_SET_SECUREBITS, 0);
}

int unix_connect(const struct unix_at *at, int fd, const struct sock_rec *rec,
		 const ProtobufCBinaryData *name)
{
	struct remote *h = at->hand;
	struct remote_call *cwd, *c;
	int dir = -1, err;

	if (!rec || rec->dir < 0) {
		unix_creds_begin(h, at->creds);
		name_call(h, SYS_connect, fd, name->data, name->len);
		unix_creds_end(h, at->creds);
		return remote_run(h);
	}
	err = remote_give_fds(h, &rec->dir, 1, &dir);
	if (err < 0)
		return err;
	cwd = remote_call(h, SYS_open, remote_str(h, "."), O_PATH | O_DIRECTORY | O_CLOEXEC);
	remote_call(h, SYS_fchdir, dir);
	unix_creds_begin(h, at->creds);
	name_call(h, SYS_connect, fd, rec->base, strlen(rec->base));
	unix_creds_end(h, at->creds);
	c = remote_call(h, SYS_fchdir, 0);
	remote_ref(h, c, 0, cwd);
	c = remote_call(h, SYS_close, 0);
	remote_ref(h, c, 0, cwd);
	remote_call(h, SYS_close, dir);
	return remote_run(h);
}
