/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <stdio.h>

#include "base/io.h"
#include "base/log.h"
#include "engine/dumping.h"
#include "image/image.h"

static int write_stats(const struct dumping *c, const struct stage *stages, const double *ms, size_t n)
{
	_cleanup_strbuf_ struct strbuf s = { 0 };
	_cleanup_close_ int fd = -1;
	int ret = strbuf_printf(
		&s,
		"{\n\t\"dump\": {\n\t\t\"frozen_ms\": %.3f,\n\t\t\"total_ms\": %.3f,\n\t\t\"tasks\": %zu,\n"
		"\t\t\"threads\": %zu,\n\t\t\"pages_scanned\": %llu,\n\t\t\"pages_written\": %llu,\n"
		"\t\t\"pages_shared\": %llu,\n\t\t\"stages_ms\": {",
		c->thawed_ms - c->frozen_ms, c->end_ms - c->begin_ms, c->n_tasks, c->n_threads,
		(unsigned long long)c->mem.pages_scanned, (unsigned long long)c->mem.pages_written,
		(unsigned long long)c->mem.pages_shared);

	for (size_t i = 0; ret >= 0 && i < n; i++)
		ret = strbuf_printf(&s, "%s\n\t\t\t\"%s\": %.3f", i ? "," : "", stages[i].name, ms[i]);
	if (ret >= 0)
		ret = strbuf_puts(&s, "\n\t\t}\n\t}\n}\n");
	if (ret < 0)
		return log_oom();
	fd = open(c->opt->stats_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ret = fd < 0 ? -errno : write_all(fd, s.buf, s.len);
	return ret < 0 ? log_errno(ret, "statistics file %s", c->opt->stats_file) : 0;
}

int dump_report(const struct dumping *c, const struct stage *stages, const double *ms, size_t n)
{
	if (!c->opt->criu) {
		printf("%zu task%s, %zu thread%s, %.1f MiB of memory; frozen %.1f ms, in all %.1f ms\n%s\n",
		       c->n_tasks, c->n_tasks == 1 ? "" : "s", c->n_threads, c->n_threads == 1 ? "" : "s",
		       (double)c->mem.pages_written * 4096 / (1 << 20), c->thawed_ms - c->frozen_ms,
		       c->end_ms - c->begin_ms, image_path(c->d.img));
		fflush(stdout);
	}
	return c->opt->stats_file ? write_stats(c, stages, ms, n) : 0;
}
