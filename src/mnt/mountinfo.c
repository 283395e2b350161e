/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "mnt/mountinfo.h"

#include <sys/mount.h>
#include <sys/sysmacros.h>

#include "base/parse.h"
#include "base/strbuf.h"

#ifndef MOUNT_ATTR_NOSYMFOLLOW
#define MOUNT_ATTR_NOSYMFOLLOW 0x00200000
#endif

struct word {
	const char *name;
	uint64_t bits;
};

static const struct word attr_words[] = {
	{ "ro", MOUNT_ATTR_RDONLY },
	{ "nosuid", MOUNT_ATTR_NOSUID },
	{ "nodev", MOUNT_ATTR_NODEV },
	{ "noexec", MOUNT_ATTR_NOEXEC },
	{ "noatime", MOUNT_ATTR_NOATIME },
	{ "nodiratime", MOUNT_ATTR_NODIRATIME },
	{ "relatime", MOUNT_ATTR_RELATIME },
	{ "nosymfollow", MOUNT_ATTR_NOSYMFOLLOW },
	{ "rw", 0 },
};

static const struct word sb_words[] = {
	{ "ro", MS_RDONLY },	     { "rw", 0 },   { "sync", MS_SYNCHRONOUS }, { "dirsync", MS_DIRSYNC },
	{ "lazytime", MS_LAZYTIME }, { "mand", 0 },
};

static const struct word *find_word(const struct word *words, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (streq(words[i].name, name))
			return &words[i];
	return NULL;
}

static void mount_free(struct mount *m)
{
	if (!m)
		return;
	free(m->root);
	free(m->point);
	free(m->fstype);
	free(m->source);
	free(m->options);
	free(m->rel);
	free(m);
}

static void mount_freep(struct mount **m)
{
	mount_free(*m);
}

void mount_list_done(struct mount_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		mount_free(l->m[i]);
	free(l->m);
	*l = (struct mount_list){ 0 };
}

struct mount_list mount_list_take(struct mount_list *l)
{
	struct mount_list ret = *l;

	*l = (struct mount_list){ 0 };
	return ret;
}

struct mount *mount_list_find(const struct mount_list *l, int id)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->m[i]->id == id)
			return l->m[i];
	return NULL;
}

/* Neither relatime nor noatime is shown for strictatime. */
static void parse_attrs(char *text, struct mount *m)
{
	bool atime = false;
	char *w;

	while ((w = strsep(&text, ","))) {
		const struct word *word = find_word(attr_words, ARRAY_SIZE(attr_words), w);

		if (word)
			m->attrs |= word->bits;
		if (streq(w, "relatime") || streq(w, "noatime"))
			atime = true;
		if (streq(w, "idmapped"))
			m->idmapped = true;
	}
	if (!atime)
		m->attrs |= MOUNT_ATTR_STRICTATIME;
}

static int parse_sb_options(char *text, struct mount *m)
{
	_cleanup_strbuf_ struct strbuf rest = { 0 };
	char *w;

	while ((w = strsep(&text, ","))) {
		const struct word *word = find_word(sb_words, ARRAY_SIZE(sb_words), w);

		if (word)
			m->sb_flags |= word->bits;
		else if (*w && strbuf_printf(&rest, "%s%s", rest.len ? "," : "", w) < 0)
			return -ENOMEM;
	}
	m->options = strbuf_take(&rest);
	return m->options ? 0 : -ENOMEM;
}

static int parse_id(const char *s, int *ret)
{
	uint32_t v;

	if (parse_u32(s, 10, &v) < 0 || v > INT32_MAX)
		return -EBADMSG;
	*ret = (int)v;
	return 0;
}

static int parse_dev(char *s, uint64_t *ret)
{
	char *colon = strchr(s, ':');
	uint32_t major, minor;

	if (!colon)
		return -EBADMSG;
	*colon = 0;
	if (parse_u32(s, 10, &major) < 0 || parse_u32(colon + 1, 10, &minor) < 0)
		return -EBADMSG;
	*ret = makedev(major, minor);
	return 0;
}

/* The optional fields, up to and with the lone "-". */
static int parse_tags(char **line, struct mount *m)
{
	char *w;

	while ((w = strsep(line, " "))) {
		const char *v;
		int err = 0;

		if (streq(w, "-"))
			return 0;
		if ((v = startswith(w, "shared:")))
			err = parse_id(v, &m->shared);
		else if ((v = startswith(w, "master:")))
			err = parse_id(v, &m->master);
		else if (streq(w, "unbindable"))
			m->unbindable = true;
		if (err < 0)
			return err;
	}
	return -EBADMSG;
}

static int take_text(const char *field, char **ret)
{
	if (!field)
		return -EBADMSG;
	*ret = strdup(field);
	if (!*ret)
		return -ENOMEM;
	unescape_octal(*ret);
	return 0;
}

/* The kernel appends this to the path of an unlinked root. */
static void cut_deleted(struct mount *m)
{
	static const char mark[] = "//deleted";
	size_t n = strlen(m->root);

	if (n < sizeof(mark) || !streq(m->root + n - (sizeof(mark) - 1), mark))
		return;
	m->root[n - (sizeof(mark) - 1)] = 0;
	m->deleted = true;
}

static int parse_head(char **line, struct mount *m)
{
	char *f[6];
	int err;

	for (size_t i = 0; i < ARRAY_SIZE(f); i++) {
		f[i] = strsep(line, " ");
		if (!f[i])
			return -EBADMSG;
	}
	if (parse_id(f[0], &m->id) < 0 || parse_id(f[1], &m->parent) < 0 || parse_dev(f[2], &m->dev) < 0)
		return -EBADMSG;
	err = take_text(f[3], &m->root);
	if (err >= 0)
		err = take_text(f[4], &m->point);
	if (err < 0)
		return err;
	parse_attrs(f[5], m);
	cut_deleted(m);
	return m->point[0] == '/' ? 0 : -EBADMSG;
}

static int parse_line(char *line, struct mount **ret)
{
	_cleanup_(mount_freep) struct mount *m = calloc(1, sizeof(*m));
	char *options;
	int err;

	if (!m)
		return -ENOMEM;
	err = parse_head(&line, m);
	if (err >= 0)
		err = parse_tags(&line, m);
	if (err >= 0)
		err = take_text(strsep(&line, " "), &m->fstype);
	if (err >= 0)
		err = take_text(strsep(&line, " "), &m->source);
	if (err < 0)
		return err;
	options = strsep(&line, " ");
	if (!options)
		return -EBADMSG;
	err = parse_sb_options(options, m);
	if (err < 0)
		return err;
	*ret = TAKE_PTR(m);
	return 0;
}

int mountinfo_parse(char *text, struct mount_list *ret)
{
	_cleanup_(mount_list_done) struct mount_list l = { 0 };
	char *line;

	while ((line = next_line(&text))) {
		struct mount *m = NULL;
		int err = parse_line(line, &m);

		if (err < 0)
			return err;
		if (!GROW(l.m, l.n)) {
			mount_free(m);
			return -ENOMEM;
		}
		l.m[l.n++] = m;
	}
	*ret = mount_list_take(&l);
	return 0;
}

const char *path_below(const char *path, const char *dir)
{
	const char *rest = startswith(path, dir);

	if (!rest)
		return NULL;
	if (!*rest || (dir[0] && dir[strlen(dir) - 1] == '/'))
		return rest;
	return *rest == '/' ? rest + 1 : NULL;
}

bool path_is_clean(const char *path)
{
	if (*path != '/')
		return false;
	if (!path[1])
		return true;
	while (*path == '/') {
		size_t n = strcspn(++path, "/");

		if (!n || (n == 1 && path[0] == '.') || (n == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		path += n;
	}
	return true;
}

static size_t path_depth(const char *path)
{
	size_t n = 0;

	for (; *path; path++)
		n += *path == '/' && path[1];
	return n;
}

/* Deeper first; then as the kernel listed them. */
static int cmp_sibling(const void *a, const void *b)
{
	const struct mount *x = *(struct mount *const *)a, *y = *(struct mount *const *)b;
	size_t dx = path_depth(x->point), dy = path_depth(y->point);

	if (dx != dy)
		return dx > dy ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

static int find_parents(struct mount_list *l)
{
	const struct mount *root = NULL;

	for (size_t i = 0; i < l->n; i++) {
		struct mount *m = l->m[i];

		if (!path_is_clean(m->point))
			return -EBADMSG;
		m->up = m->parent == m->id ? NULL : mount_list_find(l, m->parent);
		if (m->up) {
			if (!path_below(m->point, m->up->point))
				return -EBADMSG;
			continue;
		}
		if (root || !streq(m->point, "/"))
			return -EBADMSG;
		root = m;
	}
	return root ? 0 : -EBADMSG;
}

/* The children of @up in reverse order onto the stack @out[@top..]. */
static size_t push_children(const struct mount_list *l, const struct mount *up, struct mount **stack,
			    size_t top)
{
	for (size_t i = l->n; i-- > 0;)
		if (l->m[i]->up == up && top < l->n)
			stack[top++] = l->m[i];
	return top;
}

int mount_list_arrange(struct mount_list *l)
{
	_cleanup_free_ struct mount **out = NULL, **stack = NULL;
	size_t n = 0, top = 0;
	int err = find_parents(l);

	if (err < 0)
		return err;
	out = calloc(l->n + 1, sizeof(*out));
	stack = calloc(l->n + 1, sizeof(*stack));
	if (!out || !stack)
		return -ENOMEM;
	qsort(l->m, l->n, sizeof(*l->m), cmp_sibling);
	top = push_children(l, NULL, stack, top);
	while (top && n < l->n) {
		out[n] = stack[--top];
		top = push_children(l, out[n++], stack, top);
	}
	if (n != l->n)
		return -EBADMSG; /* a cycle */
	for (size_t i = 0; i < n; i++) {
		out[i]->order = i;
		l->m[i] = out[i];
	}
	return 0;
}
