/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The vdso: code of the kernel mapped into every process, called by the C library at fixed places.
 * It can be mapped again (arch_prctl(ARCH_MAP_VDSO_64), arch/x86/entry/vdso/vma.c), but only the
 * running kernel's. Where its functions do not lie where the old ones were, the dumped code is kept,
 * with jumps to the new functions (vdso_proxy.c).
 */
#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "base/io.h"
#include "base/log.h"
#include "mem/mm.h"

static int add_part(VdsoEntry *e, const struct vma *v)
{
	VdsoPartEntry *p;

	if (!GROW(e->parts, e->n_parts))
		return -ENOMEM;
	p = malloc(sizeof(*p));
	if (!p)
		return -ENOMEM;
	vdso_part_entry__init(p);
	p->name = strdup(v->name);
	p->size = v->end - v->start;
	e->parts[e->n_parts++] = p;
	if (!p->name)
		return -ENOMEM;
	if (!streq(v->name, "[vdso]"))
		return 0;
	e->elf.data = malloc(p->size);
	if (!e->elf.data)
		return -ENOMEM;
	memcpy(e->elf.data, (const void *)(uintptr_t)v->start, p->size);
	e->elf.len = p->size;
	return 0;
}

static int collect(const struct vma_list *l, VdsoEntry *e)
{
	const char *why;
	int ret = 0;

	for (size_t i = 0; ret >= 0 && i < l->n; i++)
		if (vma_classify(&l->v[i], &why) == VMA_VDSO)
			ret = add_part(e, &l->v[i]);
	return ret < 0 ? ret : e->elf.len ? 0 : -ENOENT;
}

int vdso_read(VdsoEntry **ret)
{
	_cleanup_(vmas_done) struct vma_list l = { 0 };
	_cleanup_free_ char *text = NULL;
	VdsoEntry *e;
	int err = read_text_at(AT_FDCWD, "/proc/self/maps", &text);

	if (err >= 0)
		err = vmas_parse(text, &l);
	if (err < 0)
		return err;
	e = malloc(sizeof(*e));
	if (!e)
		return -ENOMEM;
	vdso_entry__init(e);
	err = collect(&l, e);
	if (err < 0) {
		vdso_entry__free_unpacked(e, NULL);
		return err;
	}
	*ret = e;
	return 0;
}

struct symbols {
	const Elf64_Sym *syms;
	size_t n;
	const char *names;
	size_t names_len;
};

static bool inside(size_t len, uint64_t off, uint64_t size)
{
	return off <= len && size <= len - off;
}

/* The dynamic symbols of a vdso; every offset is checked, the image may be anything. */
static bool find_symbols(const ProtobufCBinaryData *elf, struct symbols *ret)
{
	const Elf64_Ehdr *eh = (const Elf64_Ehdr *)elf->data;
	const Elf64_Shdr *sh, *str;

	if (elf->len < sizeof(*eh) || memcmp(eh->e_ident, ELFMAG, SELFMAG) != 0 ||
	    eh->e_shentsize != sizeof(*sh) || eh->e_shoff % 8 ||
	    !inside(elf->len, eh->e_shoff, (uint64_t)eh->e_shnum * sizeof(*sh)))
		return false;
	sh = (const Elf64_Shdr *)(elf->data + eh->e_shoff);
	for (size_t i = 0; i < eh->e_shnum; i++) {
		if (sh[i].sh_type != SHT_DYNSYM || sh[i].sh_link >= eh->e_shnum)
			continue;
		str = &sh[sh[i].sh_link];
		if (!inside(elf->len, sh[i].sh_offset, sh[i].sh_size) || sh[i].sh_offset % 8 ||
		    !inside(elf->len, str->sh_offset, str->sh_size) || !str->sh_size ||
		    elf->data[str->sh_offset + str->sh_size - 1])
			return false;
		*ret = (struct symbols){ (const Elf64_Sym *)(elf->data + sh[i].sh_offset),
					 sh[i].sh_size / sizeof(Elf64_Sym),
					 (const char *)elf->data + str->sh_offset, str->sh_size };
		return true;
	}
	return false;
}

#define JUMP_SIZE 13

/* movabs $to, %r11; jmp *%r11 */
static void put_jump(uint8_t *at, uint64_t to)
{
	static const uint8_t code[JUMP_SIZE] = { 0x49, 0xbb, [10] = 0x41, 0xff, 0xe3 };

	memcpy(at, code, sizeof(code));
	memcpy(at + 2, &to, sizeof(to));
}

static bool is_function(const struct symbols *s, const Elf64_Sym *sym)
{
	return sym->st_shndx != SHN_UNDEF && ELF64_ST_TYPE(sym->st_info) == STT_FUNC &&
	       sym->st_name < s->names_len;
}

/* A jump at @sym's place would reach into the next function. */
static bool too_short(const struct symbols *s, const Elf64_Sym *sym, size_t elf_len)
{
	if (!inside(elf_len, sym->st_value, JUMP_SIZE))
		return true;
	for (size_t i = 0; i < s->n; i++)
		if (is_function(s, &s->syms[i]) && s->syms[i].st_value > sym->st_value &&
		    s->syms[i].st_value - sym->st_value < JUMP_SIZE)
			return true;
	return false;
}

static const Elf64_Sym *function_named(const struct symbols *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (is_function(s, &s->syms[i]) && streq(s->names + s->syms[i].st_name, name))
			return &s->syms[i];
	return NULL;
}

const Elf64_Sym *vdso_function(const VdsoEntry *v, const char *name)
{
	struct symbols s;

	return find_symbols(&v->elf, &s) ? function_named(&s, name) : NULL;
}

int vdso_patch(const VdsoEntry *old, const VdsoEntry *now, uint64_t code, uint8_t *elf)
{
	struct symbols a, b;

	if (!find_symbols(&old->elf, &a) || !find_symbols(&now->elf, &b))
		return log_errno(-EOPNOTSUPP, "vdso.img: not a vdso");
	for (size_t i = 0; i < a.n; i++) {
		const char *name = a.names + a.syms[i].st_name;
		const Elf64_Sym *to;

		if (!is_function(&a, &a.syms[i]))
			continue;
		to = function_named(&b, name);
		if (!to || too_short(&a, &a.syms[i], old->elf.len))
			return log_errno(-EOPNOTSUPP,
					 "vdso function %s of the dumped kernel %s; restore on that kernel",
					 name, to ? "is too short to be redirected" : "does not exist here");
		put_jump(elf + a.syms[i].st_value, code + to->st_value);
	}
	return 0;
}

static bool has_symbol(const struct symbols *s, const char *name, uint64_t value)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->syms[i].st_name < s->names_len && s->syms[i].st_value == value &&
		    streq(s->names + s->syms[i].st_name, name))
			return true;
	return false;
}

bool vdso_compatible(const VdsoEntry *old, const VdsoEntry *now)
{
	struct symbols a, b;

	if (old->n_parts != now->n_parts || !find_symbols(&old->elf, &a) || !find_symbols(&now->elf, &b))
		return false;
	for (size_t i = 0; i < old->n_parts; i++)
		if (!streq(old->parts[i]->name, now->parts[i]->name) ||
		    old->parts[i]->size != now->parts[i]->size)
			return false;
	for (size_t i = 0; i < a.n; i++) {
		if (a.syms[i].st_name >= a.names_len)
			return false;
		if (a.syms[i].st_shndx != SHN_UNDEF &&
		    !has_symbol(&b, a.names + a.syms[i].st_name, a.syms[i].st_value))
			return false;
	}
	return true;
}

/*
 * After "syscall" only instructions that clear registers (xor r,r with or without REX) may follow
 * until ret: CONFIG_ZERO_CALL_USED_REGS puts them there.
 */
static bool is_gadget(const uint8_t *p, const uint8_t *end)
{
	if (end - p < 3 || p[0] != 0x0f || p[1] != 0x05)
		return false;
	for (p += 2; p < end && *p != 0xc3;) {
		if (*p >= 0x40 && *p <= 0x4f)
			p++;
		if (end - p < 2 || *p != 0x31 || (p[1] & 0xc0) != 0xc0 || (p[1] & 7) != (p[1] >> 3 & 7))
			return false;
		if ((p[1] & 7) == 0) /* the result must survive */
			return false;
		p += 2;
	}
	return p < end;
}

uint64_t vdso_gadget(const VdsoEntry *v)
{
	const uint8_t *text = v->elf.data, *end = text + v->elf.len;

	for (const uint8_t *p = text; p + 3 < end; p++)
		if (is_gadget(p, end))
			return (uint64_t)(p - text);
	return 0;
}

uint64_t vdso_total(const VdsoEntry *v)
{
	uint64_t n = 0;

	for (size_t i = 0; i < v->n_parts; i++)
		n += v->parts[i]->size;
	return n;
}

uint64_t vdso_code(const VdsoEntry *v)
{
	uint64_t n = 0;

	for (size_t i = 0; i < v->n_parts && !streq(v->parts[i]->name, "[vdso]"); i++)
		n += v->parts[i]->size;
	return n;
}
