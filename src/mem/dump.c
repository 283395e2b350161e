/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The memory stage of a dump: scan, copy, write the messages. */
#include "base/log.h"
#include "image/image.h"
#include "mem/mm.h"

static bool has_vdso(const MmEntry *m)
{
	for (size_t i = 0; i < m->n_areas; i++)
		if (m->areas[i]->kind == AREA_KIND__VDSO)
			return true;
	return false;
}

/* The vdso areas of @m must be all the kernel gives, side by side: nothing else can be made again. */
static int check_vdso(struct mem_table *tab, const struct mm *m)
{
	uint64_t at = 0;
	size_t k = 0;
	int ret;

	if (!has_vdso(m->msg))
		return 0;
	if (!tab->vdso) {
		ret = vdso_read(&tab->vdso);
		if (ret < 0)
			return log_errno(ret, "cannot read the vdso of the running kernel");
	}
	for (size_t i = 0; i < m->msg->n_areas; i++) {
		const AreaEntry *a = m->msg->areas[i];

		if (a->kind != AREA_KIND__VDSO)
			continue;
		if (k >= tab->vdso->n_parts || (at && a->start != at) ||
		    a->end - a->start != tab->vdso->parts[k]->size)
			break;
		at = a->end;
		k++;
	}
	if (k == tab->vdso->n_parts)
		return 0;
	log_error("pid %d: its vdso is not as the kernel mapped it (32-bit or moved); not supported",
		  m->task->pid);
	return -EOPNOTSUPP;
}

static int scan_all(struct mem_table *tab)
{
	int ret = 0;

	for (size_t i = 0; ret >= 0 && i < tab->n_mms; i++) {
		ret = check_vdso(tab, &tab->mms[i]);
		if (ret >= 0)
			ret = mm_scan_pages(tab, &tab->mms[i]);
	}
	for (size_t i = 0; ret >= 0 && i < tab->n_shmems; i++)
		ret = shmem_scan_pages(tab, &tab->shmems[i]);
	return ret;
}

static int write_messages(struct dump *d, struct mem_table *tab)
{
	struct image_file *mms, *shmems;
	int ret = image_file_create(d->img, "mms", &mms), err;

	if (ret < 0)
		return ret;
	for (size_t i = 0; ret >= 0 && i < tab->n_mms; i++)
		ret = image_file_write(mms, &tab->mms[i].msg->base);
	err = image_file_close(mms);
	if (ret >= 0)
		ret = err;
	if (ret >= 0 && tab->vdso)
		ret = image_write_one(d->img, "vdso", &tab->vdso->base);
	if (ret < 0 || !tab->n_shmems)
		return ret;
	ret = image_file_create(d->img, "shmem", &shmems);
	if (ret < 0)
		return ret;
	for (size_t i = 0; ret >= 0 && i < tab->n_shmems; i++)
		ret = image_file_write(shmems, &tab->shmems[i].msg->base);
	err = image_file_close(shmems);
	return ret < 0 ? ret : err;
}

int mem_dump(struct dump *d, struct mem_stats *stats)
{
	PagesEntry pages = PAGES_ENTRY__INIT;
	struct mem_table *tab = d->mem;
	int ret = scan_all(tab);

	if (ret >= 0)
		ret = pages_copy(d, tab, &pages);
	pages.pages = tab->n_pages;
	if (ret >= 0)
		ret = image_write_one(d->img, "pages", &pages.base);
	free(pages.files);
	if (ret >= 0)
		ret = write_messages(d, tab);
	tab->stats.pages_written = tab->n_pages;
	if (ret >= 0 && stats)
		*stats = tab->stats;
	return ret;
}
