/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What tasks and threads say about themselves: the answers to tasks_ask(), for the kinds. */
#pragma once

#include <sys/time.h>

#include "core/dump.h"

#define N_SIGNALS 64
#define N_ITIMERS 3

/* As the kernel has it: rt_sigaction(2). */
struct ksigaction {
	uint64_t handler, flags, restorer, mask;
};

struct kaltstack {
	uint64_t sp;
	int32_t flags, pad;
	uint64_t size;
};

struct thread_said {
	int64_t securebits;
	uint64_t tid_address; /* PR_GET_TID_ADDRESS: cleared when the thread ends */
	uint32_t pdeath_sig, tsc;
	int64_t mce_kill, store_bypass, indirect_branch; /* negative: this kernel or processor has none */
	struct kaltstack altstack;
};

struct task_said {
	struct ksigaction actions[N_SIGNALS]; /* from signal 1 */
	struct itimerval itimers[N_ITIMERS];
	int64_t dumpable, thp_disable, personality; /* results of the calls */
	uint32_t subreaper;
};

/* Every task and thread has its ->said afterwards; freed with the tree. */
int tasks_ask(struct dump *d);
