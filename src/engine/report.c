/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/report.h"

#include <fcntl.h>
#include <stdio.h>

#include "base/io.h"
#include "base/log.h"
#include "image/image.h"
#include "proto/criustats.pb-c.h"

/* Both in front of every statistics file of CRIU (go-criu: magic.ImgServiceMagic, magic.StatsMagic). */
#define CRIU_MAGIC 0x55105940
#define CRIU_STATS_MAGIC 0x57093306
#define CRIU_HEAD 12 /* bytes: these and the length */

static uint32_t microseconds(double ms)
{
	return ms > 0 ? (uint32_t)MIN(ms * 1000, (double)UINT32_MAX) : 0;
}

/* @facts: the fields before "stages_ms". */
static int stats_write(const struct options *o, const struct road_times *t, const char *facts)
{
	_cleanup_strbuf_ struct strbuf s = { 0 };
	_cleanup_close_ int fd = -1;
	int ret = strbuf_printf(&s, "{\n\t\"%s\": {\n%s\t\t\"stages_ms\": {", o->verb, facts);

	for (size_t i = 0; ret >= 0 && i < t->n; i++)
		ret = strbuf_printf(&s, "%s\n\t\t\t\"%s\": %.3f", i ? "," : "", t->stages[i].name, t->ms[i]);
	if (ret >= 0)
		ret = strbuf_puts(&s, "\n\t\t}\n\t}\n}\n");
	if (ret < 0)
		return log_oom();
	fd = open(o->stats_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ret = fd < 0 ? -errno : write_all(fd, s.buf, s.len);
	return ret < 0 ? log_errno(ret, "statistics file %s", o->stats_file) : 0;
}

static int dump_stats(const struct dumping *c, const struct road_times *t)
{
	_cleanup_free_ char *facts = xasprintf(
		"\t\t\"frozen_ms\": %.3f,\n\t\t\"total_ms\": %.3f,\n\t\t\"tasks\": %zu,\n\t\t\"threads\": "
		"%zu,\n"
		"\t\t\"pages_scanned\": %llu,\n\t\t\"pages_written\": %llu,\n\t\t\"pages_shared\": %llu,\n",
		c->thawed_ms - c->frozen_ms, c->end_ms - c->begin_ms, c->n_tasks, c->n_threads,
		(unsigned long long)c->mem.pages_scanned, (unsigned long long)c->mem.pages_written,
		(unsigned long long)c->mem.pages_shared);

	return facts ? stats_write(c->opt, t, facts) : log_oom();
}

static double ms_of(const struct road_times *t, const char *first, const char *last)
{
	double sum = 0;
	size_t i = 0;

	while (i < t->n && !streq(t->stages[i].name, first))
		i++;
	for (; i < t->n; i++) {
		sum += t->ms[i];
		if (streq(t->stages[i].name, last))
			break;
	}
	return sum;
}

/* proto/criustats.proto says what the file looks like; every field is a small number. */
static int criu_stats_write(const struct options *o, const char *name, const CriuStats *msg)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", o->work_dir, name);
	uint32_t file[3 + 64] = { CRIU_MAGIC, CRIU_STATS_MAGIC };
	_cleanup_close_ int fd = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
	int ret = fd < 0 ? -errno : 0;

	if (criu_stats__get_packed_size(msg) > sizeof(file) - CRIU_HEAD)
		ret = -E2BIG;
	if (ret >= 0) {
		file[2] = (uint32_t)criu_stats__pack(msg, (uint8_t *)file + CRIU_HEAD);
		ret = write_all(fd, file, CRIU_HEAD + file[2]);
	}
	return ret < 0 ? log_errno(ret, "%s/%s", o->work_dir, name) : 0;
}

static int dump_criu_stats(const struct dumping *c, const struct road_times *t)
{
	CriuDumpStats d = CRIU_DUMP_STATS__INIT;
	CriuStats msg = CRIU_STATS__INIT;

	d.freezing_time = microseconds(ms_of(t, "freeze", "freeze"));
	d.frozen_time = microseconds(c->thawed_ms - c->frozen_ms);
	d.memdump_time = microseconds(ms_of(t, "memory", "memory"));
	d.pages_scanned = c->mem.pages_scanned;
	d.pages_written = c->mem.pages_written;
	msg.dump = &d;
	return criu_stats_write(c->opt, "stats-dump", &msg);
}

static int restore_criu_stats(const struct options *o, const struct road_times *t,
			      const struct restore_facts *f)
{
	CriuRestoreStats r = CRIU_RESTORE_STATS__INIT;
	CriuStats msg = CRIU_STATS__INIT;

	r.forking_time = microseconds(ms_of(t, "root", "tree"));
	r.restore_time = microseconds(ms_of(t, "root", "resume"));
	r.has_pages_restored = true;
	r.pages_restored = f->pages;
	msg.restore = &r;
	return criu_stats_write(o, "stats-restore", &msg);
}

int dump_report(const struct dumping *c, const struct road_times *t)
{
	int ret = c->opt->criu_stats ? dump_criu_stats(c, t) : 0, err;

	if (!c->opt->criu) {
		printf("%zu task%s, %zu thread%s, %.1f MiB of memory; frozen %.1f ms, in all %.1f ms\n%s\n",
		       c->n_tasks, c->n_tasks == 1 ? "" : "s", c->n_threads, c->n_threads == 1 ? "" : "s",
		       (double)c->mem.pages_written * 4096 / (1 << 20), c->thawed_ms - c->frozen_ms,
		       c->end_ms - c->begin_ms, image_path(c->d.img));
		fflush(stdout);
	}
	err = c->opt->stats_file ? dump_stats(c, t) : 0;
	return ret < 0 ? ret : err;
}

static int restore_stats(const struct options *o, const struct road_times *t, const struct restore_facts *f)
{
	_cleanup_free_ char *facts =
		xasprintf("\t\t\"total_ms\": %.3f,\n\t\t\"tasks\": %zu,\n", f->total_ms, f->n_tasks);

	return facts ? stats_write(o, t, facts) : log_oom();
}

int restore_report(const struct options *o, const struct road_times *t, const struct restore_facts *f)
{
	int ret = o->criu_stats ? restore_criu_stats(o, t, f) : 0, err;

	if (!o->criu) {
		printf("%zu task%s restored in %.1f ms\n", f->n_tasks, f->n_tasks == 1 ? "" : "s",
		       f->total_ms);
		fflush(stdout);
	}
	err = o->stats_file ? restore_stats(o, t, f) : 0;
	return ret < 0 ? ret : err;
}
