/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kinds that cannot be made again: said in the survey, before anything is stopped. */
#include <sys/sysmacros.h>

#include "base/log.h"
#include "file/kinds.h"
#include "file/table.h"

struct refusal {
	const char *link; /* begins with this */
	const char *what;
};

static const struct refusal refusals[] = {
	{ "anon_inode:[userfaultfd]", "userfaultfd: its faults cannot be carried over; close it" },
	{ "anon_inode:[io_uring]", "io_uring: requests in the kernel cannot be carried over; close it" },
	{ "anon_inode:[perf_event]", "perf event counters cannot be carried over; close it" },
	{ "anon_inode:[fanotify]", "fanotify marks cannot be read back in full; stop the watcher" },
	{ "anon_inode:bpf-map", "BPF maps cannot be carried over; detach the program" },
	{ "anon_inode:bpf-prog", "BPF programs cannot be read back as they were loaded; detach the program" },
	{ "anon_inode:bpf_link", "BPF links cannot be carried over; detach the program" },
	{ "anon_inode:bpf", "BPF objects cannot be carried over; close it" },
	{ "anon_inode:btf", "BTF objects cannot be carried over; close it" },
	{ "anon_inode:[landlock-ruleset]", "a landlock ruleset cannot be read back; close it" },
	{ "anon_inode:seccomp notify", "a seccomp listener cannot be carried over; stop the supervisor" },
	{ "anon_inode:kvm", "KVM virtual machines cannot be carried over; stop them" },
	{ "anon_inode:[fscontext]", "a file system context cannot be carried over; close it" },
	{ "anon_inode:", "a kind of kernel object ctcr does not know; close it" },
	{ "/dev/fuse", "FUSE servers cannot be carried over; unmount and stop it" },
	{ "/dev/kvm", "KVM virtual machines cannot be carried over; stop them" },
	{ "/dev/loop-control", "loop devices are not supported; close it" },
	{ "/secretmem", "secret memory cannot be read by anybody; close it" },
	{ "/dev/dma_heap", "device memory cannot be carried over; close it" },
	{ "dmabuf:", "device memory cannot be carried over; close it" },
};

static const struct refusal unknown = { "", "a kind of file ctcr does not know; close it" };

static const struct refusal *find(const struct file_desc *f)
{
	if (f->flags & 010000000) /* O_PATH: only a name */
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++)
		if (startswith(f->link, refusals[i].link))
			return &refusals[i];
	if (f->link[0] != '/')
		return &unknown;
	return NULL;
}

static bool refused_match(const struct file_desc *f)
{
	return find(f) != NULL;
}

static int refused_survey(struct dump *d, const struct file_desc *f)
{
	return dump_obstacle(d, "pid %d fd %d (%s): %s", f->task->pid, f->task_fd, f->link, find(f)->what);
}

static int refused_dump(struct dump *d, const struct file_desc *f, FileEntry *msg)
{
	log_error("pid %d fd %d (%s): %s", f->task->pid, f->task_fd, f->link, find(f)->what);
	return -EOPNOTSUPP;
}

const struct file_ops refused_ops = {
	.name = "not supported",
	.kind = FILE_ENTRY__KIND__NOT_SET,
	.match = refused_match,
	.survey = refused_survey,
	.dump = refused_dump,
};
