/* SPDX-License-Identifier: GPL-2.0-or-later */
	.section .rodata
	.balign 16
	.globl executor_blob, executor_blob_end
executor_blob:
	.incbin BLOB
executor_blob_end:
	.byte 0
	.section .note.GNU-stack, "", @progbits
