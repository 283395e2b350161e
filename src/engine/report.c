/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/report.h"

#include <fcntl.h>
#include <stdio.h>

#include "base/io.h"
#include "base/log.h"
#include "image/image.h"

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

int dump_report(const struct dumping *c, const struct road_times *t)
{
	if (!c->opt->criu) {
		printf("%zu task%s, %zu thread%s, %.1f MiB of memory; frozen %.1f ms, in all %.1f ms\n%s\n",
		       c->n_tasks, c->n_tasks == 1 ? "" : "s", c->n_threads, c->n_threads == 1 ? "" : "s",
		       (double)c->mem.pages_written * 4096 / (1 << 20), c->thawed_ms - c->frozen_ms,
		       c->end_ms - c->begin_ms, image_path(c->d.img));
		fflush(stdout);
	}
	return c->opt->stats_file ? dump_stats(c, t) : 0;
}

static int restore_stats(const struct options *o, const struct road_times *t, size_t n_tasks, double total_ms)
{
	_cleanup_free_ char *facts =
		xasprintf("\t\t\"total_ms\": %.3f,\n\t\t\"tasks\": %zu,\n", total_ms, n_tasks);

	return facts ? stats_write(o, t, facts) : log_oom();
}

int restore_report(const struct options *o, const struct road_times *t, size_t n_tasks, double total_ms)
{
	if (!o->criu) {
		printf("%zu task%s restored in %.1f ms\n", n_tasks, n_tasks == 1 ? "" : "s", total_ms);
		fflush(stdout);
	}
	return o->stats_file ? restore_stats(o, t, n_tasks, total_ms) : 0;
}
