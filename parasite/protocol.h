/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the coordinator (src/remote) and the executor (parasite/) agree on.
 *
 * An arena is one memfd mapped by both: the executor's code first (EXECUTOR_TEXT bytes, r-x in the
 * task), then slots (rw). A slot serves one thread: its calls, its stack and a heap for buffers.
 * The coordinator fills calls[], sets n_calls and sends one byte over the control socket; the
 * executor runs the calls and sends one byte back. End-of-file there means: go home.
 */
#pragma once

#include <stdint.h>

#define EXECUTOR_TEXT 0x1000
#define SLOT_SIZE 0x20000
#define SLOT_CALLS 384
#define SLOT_STACK 0x4000
#define SLOT_HEAP_OFFSET 0xe000

/* Numbers that are no system call. */
#define OP_CLONE (-1) /* args: struct clone_args *, size, child's slot; the child runs there */
#define OP_COPY (-2) /* args: to, from, length: memmove in the task */

#define CALL_MAY_FAIL 1 /* an error does not end the batch */

struct remote_call {
	int64_t nr;
	uint64_t args[6];
	int64_t ret; /* result or negative errno, as the kernel returns it */
	uint8_t ref[6]; /* not 0: add the result of calls[ref - 1] to the argument */
	uint16_t flags;
};

struct slot {
	uint64_t home; /* address of the signal frame to return through; 0: exit_group(0) at the end */
	int32_t ctl; /* control socket in the task */
	uint32_t n_calls;
	uint32_t n_done; /* calls that ran, the failing one included */
	uint32_t stop; /* the task was stopped by job control: do not go home before it is so again */
	struct remote_call calls[SLOT_CALLS];
};

#define SLOT_STACK_TOP SLOT_HEAP_OFFSET /* the stack lies between the calls and the heap */
_Static_assert(sizeof(struct slot) + SLOT_STACK <= SLOT_HEAP_OFFSET, "slot layout");
