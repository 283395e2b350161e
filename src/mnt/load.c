/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Restore: read and check the images; what is needed of this host exists. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/log.h"
#include "image/image.h"
#include "mnt/mnt.h"
#include "mnt/mountinfo.h"
#include "mnt/options.h"
#include "mnt/store.h"

#define ATTRS_KNOWN 0x2000bfULL /* ro nosuid nodev noexec, atime modes, nodiratime, nosymfollow */

struct rmntns *mnt_store_ns(const struct mnt_store *s, uint32_t id)
{
	for (size_t i = 0; i < s->n_ns; i++)
		if (s->ns[i].id == id)
			return &s->ns[i];
	return NULL;
}

static void store_free(struct mnt_store *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n_sources && s->sources; i++) {
		close_fd(&s->sources[i].fd);
		free(s->sources[i].path);
		for (size_t j = 0; s->sources[i].places && j < s->sources[i].msg->n_trees; j++)
			free(s->sources[i].places[j]);
		free(s->sources[i].places);
	}
	for (size_t i = 0; i < s->n_mounts && s->mounts; i++)
		close_fd(&s->mounts[i].fd);
	holder_stop(&s->holder);
	image_messages_free((ProtobufCMessage **)s->source_msgs, s->n_sources);
	image_messages_free((ProtobufCMessage **)s->mount_msgs, s->n_mounts);
	free(s->sources);
	free(s->mounts);
	free(s->ns);
	free(s);
}

static void store_freep(struct mnt_store **s)
{
	store_free(*s);
}

/* Only what a dump makes is made. */
static const char *check_fs(const MntSourceEntry *msg)
{
	const struct fs_type *type = fs_type_of(msg->fstype);

	if (type->cls == FS_REFUSE || !streq(type->name, msg->fstype) || !msg->is_dir)
		return "not a file system that is made again";
	for (size_t i = 0; i < msg->n_options; i++)
		if (!option_is_known(type, msg->options[i]->key))
			return "unknown option";
	return NULL;
}

static const char *check_source(const MntSourceEntry *msg, size_t i)
{
	if (msg->id != i + 1)
		return "out of order";
	if (msg->path && !path_is_clean(msg->path))
		return "bad path";
	if (msg->kind == MNT_SOURCE_ENTRY__KIND__CGROUP && (!msg->hierarchy || !msg->cgroup))
		return "no cgroup";
	if (msg->kind == MNT_SOURCE_ENTRY__KIND__CGROUP && msg->cgroup[0] && !path_is_clean(msg->cgroup))
		return "bad cgroup path";
	if (msg->kind == MNT_SOURCE_ENTRY__KIND__CONSOLE && !msg->has_tty)
		return "no tty";
	if (msg->kind == MNT_SOURCE_ENTRY__KIND__EXTERNAL && !msg->path && !msg->name)
		return "neither path nor name";
	for (size_t t = 0; t < msg->n_trees; t++)
		if (!path_is_clean(msg->trees[t]->root) || strchr(msg->trees[t]->archive, '/') ||
		    ((!msg->trees[t]->is_dir || msg->trees[t]->deleted) && streq(msg->trees[t]->root, "/")))
			return "bad contents";
	return msg->kind == MNT_SOURCE_ENTRY__KIND__FS ? check_fs(msg) : NULL;
}

static int load_sources(struct mnt_store *s)
{
	s->sources = calloc(s->n_sources + 1, sizeof(*s->sources));
	if (!s->sources)
		return log_oom();
	for (size_t i = 0; i < s->n_sources; i++) {
		const MntSourceEntry *msg = s->source_msgs[i];
		const char *why = check_source(msg, i);

		s->sources[i] = (struct rsource){ .msg = msg, .fd = -1 };
		if (why)
			return log_errno(-EBADMSG, "mnt-sources.img: record %zu (%s): %s", i + 1, msg->fstype,
					 why);
		s->sources[i].places = calloc(msg->n_trees + 1, sizeof(char *));
		if (!s->sources[i].places)
			return log_oom();
	}
	return 0;
}

static bool rel_is_clean(const char *rel)
{
	_cleanup_free_ char *path = xasprintf("/%s", rel);

	return path && path_is_clean(path);
}

static const char *check_mount(const struct mnt_store *s, size_t i)
{
	const MntEntry *m = s->mount_msgs[i], *up;

	if (m->id != i + 1 || !m->mnt_ns_id)
		return "out of order";
	if (!m->source || m->source > s->n_sources)
		return "no such source";
	if (!path_is_clean(m->point) || !rel_is_clean(m->rel) || m->attrs & ~ATTRS_KNOWN)
		return "bad path or flags";
	if (m->shared > INT32_MAX || m->master > INT32_MAX || (m->shared && m->shared == m->master))
		return "bad peer group";
	if (!m->parent)
		return streq(m->point, "/") ? NULL : "a root that is not /";
	if (m->parent >= m->id)
		return "before its parent";
	up = s->mount_msgs[m->parent - 1];
	if (up->mnt_ns_id != m->mnt_ns_id || !path_below(m->point, up->point))
		return "not below its parent";
	return streq(m->point, "/") ? "mounted over the root" : NULL;
}

/* One run of records is one namespace, its root first. */
static const char *add_to_ns(struct mnt_store *s, struct rmount *m)
{
	if (s->n_ns && s->ns[s->n_ns - 1].id == m->msg->mnt_ns_id) {
		s->ns[s->n_ns - 1].n++;
		return m->msg->parent ? NULL : "a second root";
	}
	if (m->msg->parent || mnt_store_ns(s, m->msg->mnt_ns_id))
		return "out of order";
	s->ns[s->n_ns++] = (struct rmntns){ .id = m->msg->mnt_ns_id, .m = m, .n = 1 };
	return NULL;
}

static int load_mounts(struct mnt_store *s)
{
	s->mounts = calloc(s->n_mounts + 1, sizeof(*s->mounts));
	s->ns = calloc(s->n_mounts + 1, sizeof(*s->ns));
	if (!s->mounts || !s->ns)
		return log_oom();
	for (size_t i = 0; i < s->n_mounts; i++)
		s->mounts[i].fd = -1;
	for (size_t i = 0; i < s->n_mounts; i++) {
		const MntEntry *msg = s->mount_msgs[i];
		struct rmount *m = &s->mounts[i];
		const char *why = check_mount(s, i);

		m->msg = msg;
		if (!why) {
			m->from = &s->sources[msg->source - 1];
			m->up = msg->parent ? &s->mounts[msg->parent - 1] : NULL;
			why = add_to_ns(s, m);
		}
		if (why)
			return log_errno(-EBADMSG, "mounts.img: record %zu (%s): %s", i + 1, msg->point, why);
	}
	return 0;
}

int mnt_load(struct restore *r)
{
	_cleanup_(store_freep) struct mnt_store *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return log_oom();
	s->holder.sock = -1;
	err = image_read(r->img, "mnt-sources", &mnt_source_entry__descriptor,
			 (ProtobufCMessage ***)&s->source_msgs, &s->n_sources);
	if (err >= 0)
		err = image_read(r->img, "mounts", &mnt_entry__descriptor,
				 (ProtobufCMessage ***)&s->mount_msgs, &s->n_mounts);
	if (err >= 0)
		err = load_sources(s);
	if (err >= 0)
		err = load_mounts(s);
	if (err < 0)
		return err;
	r->mnts = TAKE_PTR(s);
	return 0;
}

void mnt_restore_done(struct restore *r)
{
	store_free(r->mnts);
	r->mnts = NULL;
}

static int check_host_path(const struct rsource *s)
{
	struct stat st;

	if (stat(s->path, &st) < 0)
		return log_errno(errno,
				 "mount source %s (%s): missing on this host; create it or pass --external "
				 "mnt[%s]:PATH",
				 s->path, s->msg->fstype,
				 s->msg->name	? s->msg->name
				 : s->msg->path ? s->msg->path
						: "");
	if (!S_ISDIR(st.st_mode) == !s->msg->is_dir)
		return 0;
	log_error("mount source %s (%s): it was a %s at the dump and is none here", s->path, s->msg->fstype,
		  s->msg->is_dir ? "directory" : "file");
	return -ENOTDIR;
}

static int plan_trees(struct restore *r, const struct rsource *s)
{
	for (size_t i = 0; i < s->msg->n_trees; i++)
		if (!image_has(r->img, s->msg->trees[i]->archive)) {
			log_error("mnt-sources.img: record %u (%s): %s is not in the image", s->msg->id,
				  s->msg->fstype, s->msg->trees[i]->archive);
			return -EBADMSG;
		}
	return 0;
}

int mnt_plan(struct restore *r)
{
	struct mnt_store *s = r->mnts;

	for (size_t i = 0; s && i < s->n_sources; i++) {
		struct rsource *src = &s->sources[i];
		int err = rsource_path(r, src, &src->path);

		if (err >= 0)
			err = plan_trees(r, src);
		if (err >= 0 && src->path)
			err = check_host_path(src);
		if (err < 0)
			return err;
	}
	return 0;
}
