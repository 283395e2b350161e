/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Looking for the two pieces of code a way home needs: "syscall; ret" and "rt_sigreturn". Every task has
 * the C library and the vdso of the others, at other addresses: what was found in a file once is only
 * proved in the next task.
 */
#include <stdio.h>
#include <sys/sysmacros.h>

#include "base/procfs.h"
#include "remote/infect.h"

#define WINDOW (4UL << 20)
#define OVERLAP 64
#define PROOF 32 /* bytes that hold any of the two */

/* One executable mapping, a line of /proc/PID/maps. */
struct text {
	uint64_t start, end;
	struct gadget_place key; /* file and offset; file 0: cannot be known again */
};

/* "start-end perms offset dev inode path" */
static bool parse_text(const char *line, struct text *ret)
{
	unsigned long start, end, offset, ino;
	unsigned int major, minor;
	char prot[5];

	if (sscanf(line, "%lx-%lx %4s %lx %x:%x %lu", &start, &end, prot, &offset, &major, &minor, &ino) != 7)
		return false;
	if (prot[0] != 'r' || prot[2] != 'x' || strstr(line, "[vsyscall]"))
		return false;
	*ret = (struct text){ .start = start, .end = end };
	ret->key.dev = makedev(major, minor);
	ret->key.ino = ino;
	ret->key.offset = offset;
	ret->key.len = end - start;
	ret->key.known = ino || strstr(line, "[vdso]");
	return true;
}

static struct gadget_place *cache_find(struct gadget_cache *c, const struct gadget_place *key)
{
	for (size_t i = 0; c && key->known && i < c->n; i++) {
		struct gadget_place *p = &c->v[i];

		if (p->dev == key->dev && p->ino == key->ino && p->offset == key->offset &&
		    p->len == key->len)
			return p;
	}
	return NULL;
}

/* What lies at @at of the text is still the same in this task, or it is not taken. */
static int prove(struct infection *inf, const struct text *t, uint64_t at)
{
	uint8_t code[PROOF];
	size_t len = MIN(t->end - t->start - at, sizeof(code));
	int ret = task_read(inf->tid, t->start + at, code, len);

	if (ret >= 0)
		arch_find_gadgets(inf, t->start + at, code, len);
	return ret;
}

static int use_place(struct infection *inf, const struct text *t, const struct gadget_place *p)
{
	int ret = 0;

	if (p->has_gadget && !inf->gadget)
		ret = prove(inf, t, p->gadget);
	if (ret >= 0 && p->has_restorer && !inf->restorer)
		ret = prove(inf, t, p->restorer);
	return ret;
}

static void remember(struct gadget_cache *c, const struct text *t, const struct infection *found)
{
	struct gadget_place *p;

	if (!c || !t->key.known)
		return;
	p = &c->v[c->n < ARRAY_SIZE(c->v) ? c->n++ : 0];
	*p = t->key;
	p->has_gadget = found->gadget != 0;
	p->has_restorer = found->restorer != 0;
	p->gadget = found->gadget - t->start;
	p->restorer = found->restorer - t->start;
}

static int search_text(struct infection *inf, const struct text *t, struct gadget_cache *c)
{
	size_t window = MIN(t->end - t->start, WINDOW);
	_cleanup_free_ uint8_t *code = malloc(window);
	struct infection found = { .tid = inf->tid };

	if (!code)
		return -ENOMEM;
	for (uint64_t at = t->start; !(found.gadget && found.restorer); at += window - OVERLAP) {
		size_t len = MIN(t->end - at, (uint64_t)window);

		if (task_read(inf->tid, at, code, len) >= 0)
			arch_find_gadgets(&found, at, code, len);
		if (at + len == t->end)
			break;
	}
	remember(c, t, &found);
	if (!inf->gadget)
		inf->gadget = found.gadget;
	if (!inf->restorer)
		inf->restorer = found.restorer;
	return 0;
}

int infect_find_gadgets(struct infection *inf, struct gadget_cache *c)
{
	_cleanup_free_ char *maps = NULL;
	char *next, *line;
	int ret = proc_read(inf->tid, "maps", &maps);

	for (next = maps; ret >= 0 && !(inf->gadget && inf->restorer) && (line = strsep(&next, "\n"));) {
		const struct gadget_place *p;
		struct text t;

		if (!parse_text(line, &t))
			continue;
		p = cache_find(c, &t.key);
		ret = p ? use_place(inf, &t, p) : search_text(inf, &t, c);
	}
	return ret < 0 ? ret : inf->gadget ? 0 : -EOPNOTSUPP;
}
