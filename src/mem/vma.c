/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "mem/vma.h"

#include <ctype.h>
#include <sys/mman.h>

#include "base/parse.h"

static const struct {
	char code[3];
	uint32_t flag;
} codes[] = {
	{ "io", VF_IO },	  { "pf", VF_IO },	   { "ht", VF_HUGETLB },   { "um", VF_UFFD },
	{ "uw", VF_UFFD },	  { "ui", VF_UFFD },	   { "ss", VF_SHADOW },	   { "sf", VF_SYNC },
	{ "gd", VF_GROWSDOWN },	  { "nr", VF_NORESERVE },  { "ac", VF_ACCOUNT },   { "lo", VF_LOCKED },
	{ "lf", VF_LOCKONFAULT }, { "dc", VF_DONTFORK },   { "dd", VF_DONTDUMP },  { "wf", VF_WIPEONFORK },
	{ "hg", VF_HUGEPAGE },	  { "nh", VF_NOHUGEPAGE }, { "mg", VF_MERGEABLE }, { "sr", VF_SEQUENTIAL },
	{ "rr", VF_RANDOM },	  { "dp", VF_DROPPABLE },  { "sl", VF_SEALED },	   { "mw", VF_MAYWRITE },
};

static uint32_t parse_flags(const char *text)
{
	uint32_t flags = 0;

	while (*text) {
		while (*text == ' ')
			text++;
		for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
			if (strncmp(text, codes[i].code, 2) == 0 && (text[2] == ' ' || !text[2]))
				flags |= codes[i].flag;
		while (*text && *text != ' ')
			text++;
	}
	return flags;
}

/* A number in @base that ends with @end; *@p moves behind it. */
static int take_number(char **p, int base, char end, uint64_t *ret)
{
	char *stop = strchr(*p, end);
	int err;

	if (!stop)
		return -EINVAL;
	*stop = 0;
	err = parse_u64(*p, base, ret);
	*p = stop + 1;
	return err;
}

static int take_perms(char **p, struct vma *v)
{
	const char *s = *p;

	if (strnlen(s, 5) < 5 || s[4] != ' ' || (s[0] != 'r' && s[0] != '-') ||
	    (s[1] != 'w' && s[1] != '-') || (s[2] != 'x' && s[2] != '-') || (s[3] != 's' && s[3] != 'p'))
		return -EINVAL;
	v->prot = (s[0] == 'r' ? PROT_READ : 0) | (s[1] == 'w' ? PROT_WRITE : 0) |
		  (s[2] == 'x' ? PROT_EXEC : 0);
	v->shared = s[3] == 's';
	*p += 5;
	return 0;
}

/* "17   /name", "0 " */
static int take_ino(char *p, struct vma *v)
{
	size_t n = strspn(p, "0123456789");
	char *name = p + n;

	name += strspn(name, " ");
	if (!n || (p[n] && p[n] != ' '))
		return -EINVAL;
	p[n] = 0;
	if (parse_u64(p, 10, &v->ino) < 0)
		return -EINVAL;
	v->name = strdup(p + n < name ? name : "");
	return v->name ? 0 : -ENOMEM;
}

/* "55d0-55e0 rw-p 0000 fe:01 17   /name" */
static int parse_head(char *line, struct vma *v)
{
	uint64_t major, minor;
	char *p = line;

	if (take_number(&p, 16, '-', &v->start) < 0 || take_number(&p, 16, ' ', &v->end) < 0 ||
	    take_perms(&p, v) < 0 || take_number(&p, 16, ' ', &v->offset) < 0 ||
	    take_number(&p, 16, ':', &major) < 0 || take_number(&p, 16, ' ', &minor) < 0)
		return -EINVAL;
	if (major > UINT32_MAX || minor > UINT32_MAX)
		return -EINVAL;
	v->major = major;
	v->minor = minor;
	return take_ino(p, v);
}

static bool head_valid(const struct vma *v, const struct vma_list *l)
{
	if (v->start >= v->end || (v->start | v->end | v->offset) & (PAGE - 1))
		return false;
	return !l->n || l->v[l->n - 1].end <= v->start;
}

static int add_head(char *line, struct vma_list *l)
{
	struct vma v = { 0 };
	int ret;

	if (!GROW(l->v, l->n))
		return -ENOMEM;
	ret = parse_head(line, &v);
	if (ret < 0)
		return ret;
	if (!head_valid(&v, l)) {
		free(v.name);
		return -EINVAL;
	}
	l->v[l->n++] = v;
	return 0;
}

static int add_field(const char *line, struct vma_list *l)
{
	const char *p;
	uint64_t key;

	if (!l->n)
		return -EINVAL;
	p = startswith(line, "VmFlags:");
	if (p)
		l->v[l->n - 1].flags = parse_flags(p);
	if (!startswith(line, "ProtectionKey:"))
		return 0;
	if (key_u64(line, "ProtectionKey", 10, &key) < 0 || key > UINT32_MAX)
		return -EINVAL;
	l->v[l->n - 1].pkey = key;
	return 0;
}

int vmas_parse(char *text, struct vma_list *ret)
{
	struct vma_list l = { 0 };
	int err = 0;
	char *line;

	while (err >= 0 && (line = next_line(&text)))
		err = isupper((unsigned char)*line) ? add_field(line, &l) : add_head(line, &l);
	if (err < 0) {
		vmas_done(&l);
		return err;
	}
	*ret = l;
	return 0;
}

void vmas_done(struct vma_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i].name);
	free(l->v);
	*l = (struct vma_list){ 0 };
}

static bool is_sysv(const char *name)
{
	const char *p = startswith(name, "/SYSV");

	if (!p || strlen(p) != 8 + strlen(" (deleted)"))
		return false;
	for (int i = 0; i < 8; i++)
		if (!isxdigit((unsigned char)p[i]))
			return false;
	return streq(p + 8, " (deleted)");
}

static enum vma_class refuse(const char **ret_why, const char *why)
{
	*ret_why = why;
	return VMA_REFUSED;
}

static enum vma_class classify_file(const struct vma *v, const char **ret_why)
{
	if (streq(v->name, "/secretmem (deleted)"))
		return refuse(ret_why, "memory of memfd_secret(2) cannot be read; stop its user first");
	if (streq(v->name, "/[aio] (deleted)"))
		return refuse(ret_why,
			      "an io_setup(2) context (aio ring) cannot be dumped; stop its user first");
	if (strstr(v->name, "anon_inode:") == v->name || strstr(v->name, "socket:[") == v->name)
		return refuse(ret_why,
			      "a kernel ring mapped from a descriptor cannot be dumped; stop its user first");
	if (v->major == 0 && is_sysv(v->name))
		return VMA_SYSV;
	if (v->major == 0 && v->shared &&
	    (streq(v->name, "/dev/zero (deleted)") || startswith(v->name, "[anon_shmem:")))
		return VMA_SHMEM;
	return VMA_FILE;
}

enum vma_class vma_classify(const struct vma *v, const char **ret_why)
{
	if (streq(v->name, "[vsyscall]"))
		return VMA_SKIP;
	if (v->end > TASK_TOP)
		return refuse(ret_why, "lies above 128 TiB (five-level paging), which is not supported");
	if (streq(v->name, "[vdso]") || startswith(v->name, "[vvar"))
		return VMA_VDSO;
	if (v->flags & VF_HUGETLB)
		return refuse(ret_why, "hugetlb pages are not supported; use transparent huge pages");
	if (v->flags & VF_UFFD)
		return refuse(ret_why,
			      "is registered with a userfaultfd of the program; stop that program first");
	if (v->flags & VF_SHADOW)
		return refuse(ret_why, "is a shadow stack; start the program without it (GLIBC_TUNABLES)");
	if (v->flags & VF_IO)
		return refuse(ret_why, "is device memory; stop the program that uses the device");
	if (v->flags & VF_SYNC)
		return refuse(ret_why, "is a MAP_SYNC mapping, which is not supported");
	if (v->pkey)
		return refuse(ret_why, "has a protection key, which is not supported");
	if (v->ino || v->name[0] == '/')
		return classify_file(v, ret_why);
	if (!v->name[0] || streq(v->name, "[heap]") || startswith(v->name, "[stack") ||
	    startswith(v->name, "[anon:"))
		return v->shared ? refuse(ret_why, "is shared memory of an unknown kind") : VMA_ANON;
	return refuse(ret_why, "is a kernel area of an unknown kind");
}
