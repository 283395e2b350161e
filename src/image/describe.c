/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The inventory's description of the dump and of the host it was made on. */
#include <fcntl.h>
#include <sys/utsname.h>
#include <time.h>

#include "base/io.h"
#include "base/log.h"
#include "base/parse.h"
#include "image/internal.h"

static uint64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

/* The value of a "key\t: value" line of /proc/cpuinfo, NULL if there is none. */
static char *cpuinfo_value(const char *text, const char *key)
{
	size_t n = strlen(key);

	for (const char *p = text; p && *p; p = strchr(p, '\n'), p += p ? 1 : 0) {
		const char *v;

		if (strncmp(p, key, n) != 0 || (p[n] != '\t' && p[n] != ':'))
			continue;
		v = p + n + strspn(p + n, "\t:");
		v += *v == ' ';
		return strndup(v, strcspn(v, "\n"));
	}
	return NULL;
}

int inventory_host(InventoryEntry *inv)
{
	_cleanup_free_ char *cpu = NULL;
	struct utsname u;

	if (uname(&u) < 0)
		return -errno;
	inv->format = IMAGE_FORMAT;
	inv->ctcr_version = strdup(CTCR_VERSION);
	inv->kernel = strdup(u.release);
	inv->arch = strdup(u.machine);
	inv->hostname = strdup(u.nodename);
	if (!inv->ctcr_version || !inv->kernel || !inv->arch || !inv->hostname)
		return -ENOMEM;
	inv->xfeatures = image_cpu_xfeatures(&inv->xsave_size);
	if (read_text_at(AT_FDCWD, "/proc/cpuinfo", &cpu) >= 0) {
		inv->cpu_model = cpuinfo_value(cpu, "model name");
		inv->cpu_flags = cpuinfo_value(cpu, "flags");
	}
	inv->realtime_ns = clock_ns(CLOCK_REALTIME);
	inv->monotonic_ns = clock_ns(CLOCK_MONOTONIC);
	inv->boottime_ns = clock_ns(CLOCK_BOOTTIME);
	return 0;
}

static int copy_string(char **to, const char *from)
{
	if (!from)
		return 0;
	*to = strdup(from);
	return *to ? 0 : -ENOMEM;
}

static int copy_about(InventoryEntry *inv, const struct image_about *about)
{
	if (copy_string(&inv->container, about->container) < 0 ||
	    copy_string(&inv->network_lock, about->network_lock) < 0)
		return -ENOMEM;
	inv->root_pid = about->root_pid;
	inv->has_root_pid = about->root_pid != 0;
	inv->n_tasks = about->n_tasks;
	inv->has_n_tasks = about->n_tasks != 0;
	inv->options = calloc(about->n_options + 1, sizeof(*inv->options));
	if (!inv->options)
		return -ENOMEM;
	for (size_t i = 0; i < about->n_options; i++) {
		if (copy_string(&inv->options[i], about->options[i]) < 0)
			return -ENOMEM;
		inv->n_options++;
	}
	return 0;
}

int image_describe(struct image *img, const struct image_about *about)
{
	InventoryEntry *inv = malloc(sizeof(*inv));
	int err;

	if (!inv)
		return log_oom();
	inventory_entry__init(inv);
	if (img->inventory)
		protobuf_c_message_free_unpacked(&img->inventory->base, NULL);
	img->inventory = inv;
	err = inventory_host(inv);
	if (err >= 0)
		err = copy_about(inv, about);
	return err < 0 ? log_errno(err, "%s: inventory", img->path) : 0;
}
