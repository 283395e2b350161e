/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What only a stopped thread shows: registers, queued signals, rseq, seccomp filters. */
#pragma once

#include "core/dump.h"

/* Begin t->msg and the ThreadEntry of each thread; all threads are in ptrace-stop. */
int task_peek(struct task *t);
