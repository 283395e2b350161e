/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Entry: rdi = the slot, any stack. The executor runs on the slot's own stack. */
#define SLOT_STACK_TOP 0xe000
	.section .blob.entry, "ax"
	.globl entry
entry:
	leaq	SLOT_STACK_TOP(%rdi), %rsp
	andq	$-16, %rsp
	xorl	%ebp, %ebp
	call	executor
	ud2

	.section .blob.text, "ax"
	.globl raw_syscall
raw_syscall:			/* (nr, const uint64_t args[6]) */
	movq	%rdi, %rax
	movq	%rsi, %r11
	movq	(%r11), %rdi
	movq	8(%r11), %rsi
	movq	16(%r11), %rdx
	movq	24(%r11), %r10
	movq	32(%r11), %r8
	movq	40(%r11), %r9
	syscall
	ret

	.globl raw_clone
raw_clone:			/* (const uint64_t args[]: clone_args, size, child's slot) */
	movq	%rdi, %r11
	movq	16(%r11), %r8
	movq	8(%r11), %rsi
	movq	(%r11), %rdi
	movl	$435, %eax
	syscall
	testq	%rax, %rax
	jz	1f
	ret
1:	movq	%r8, %rdi
	jmp	entry

	.globl go_home
go_home:			/* (address of the frame: its restorer pointer was popped already) */
	movq	%rdi, %rsp
	movl	$15, %eax
	syscall
	ud2
	.section .note.GNU-stack, "", @progbits
