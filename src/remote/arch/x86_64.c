/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x86-64: the signal frame (arch/x86/include/uapi/asm/sigcontext.h), restarted system calls
 * (arch/x86/kernel/signal.c), the extended state's size (CPUID leaf 0xd), code gadgets.
 */
#include <cpuid.h>
#include <sys/syscall.h>

#include "remote/infect.h"

#define FP_XSTATE_MAGIC1_ 0x46505853U
#define FP_XSTATE_MAGIC2_ 0x46505845U
#define SW_RESERVED 464
#define ARCH_GET_XCOMP_PERM_ 0x1022
#define ERESTARTSYS 512
#define ERESTARTNOINTR 513
#define ERESTARTNOHAND 514
#define ERESTART_RESTARTBLOCK 516

struct frame_x86 {
	uint64_t restorer;
	uint64_t uc_flags, uc_link;
	uint64_t ss_sp;
	int32_t ss_flags, pad;
	uint64_t ss_size;
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15, di, si, bp, bx, dx, ax, cx, sp, ip, flags;
	uint16_t cs, gs, fs, ss;
	uint64_t err, trapno, oldmask, cr2, fpstate, reserved[8];
	uint64_t sigmask;
	uint8_t siginfo[128];
};

struct sw_bytes {
	uint32_t magic1, extended_size;
	uint64_t xfeatures;
	uint32_t xstate_size, padding[7];
};

size_t arch_xstate_size(uint64_t *ret_features)
{
	uint64_t features = 0;
	size_t size = 576;

	if (syscall(SYS_arch_prctl, ARCH_GET_XCOMP_PERM_, &features) < 0)
		features = 3;
	for (int i = 2; i < 63; i++) {
		unsigned int a, b, c, d;

		if (!(features & 1ULL << i))
			continue;
		__cpuid_count(0xd, i, a, b, c, d);
		size = MAX(size, (size_t)a + b);
	}
	*ret_features = features;
	return size;
}

/* Restorer and ucontext, room to align, the extended state and its closing magic. */
size_t arch_frame_size(const struct infection *inf)
{
	return sizeof(struct frame_x86) + 64 + inf->xstate_size + 4;
}

static uint64_t frame_fpstate(uint64_t addr)
{
	return ALIGN_UP(addr + sizeof(struct frame_x86), 64);
}

static void frame_regs(struct frame_x86 *f, const struct user_regs_struct *r)
{
	f->r8 = r->r8, f->r9 = r->r9, f->r10 = r->r10, f->r11 = r->r11;
	f->r12 = r->r12, f->r13 = r->r13, f->r14 = r->r14, f->r15 = r->r15;
	f->di = r->rdi, f->si = r->rsi, f->bp = r->rbp, f->bx = r->rbx;
	f->dx = r->rdx, f->ax = r->rax, f->cx = r->rcx, f->sp = r->rsp;
	f->ip = r->rip, f->flags = r->eflags;
	f->cs = r->cs, f->gs = r->gs, f->fs = r->fs, f->ss = r->ss;
}

void arch_frame_build(const struct infection *inf, uint64_t addr, void *buf)
{
	uint64_t fp = frame_fpstate(addr), features;
	uint8_t *x = (uint8_t *)buf + (fp - addr);
	struct sw_bytes sw = { .magic1 = FP_XSTATE_MAGIC1_ };
	struct frame_x86 *f = buf;
	uint32_t magic2 = FP_XSTATE_MAGIC2_;
	struct user_regs_struct regs = inf->home_regs;

	memset(f, 0, sizeof(*f));
	/* A restart block does not survive rt_sigreturn: begin the call again. */
	if (regs.rax == SYS_restart_syscall)
		regs.rax = inf->regs.orig_rax;
	f->restorer = inf->restorer;
	f->uc_flags = 7;
	f->ss_flags = 0x7f00; /* refused by the kernel: the alternate stack stays as it is */
	frame_regs(f, &regs);
	f->sigmask = inf->sigmask;
	f->fpstate = fp;
	memcpy(x, inf->xstate, inf->xstate_size);
	arch_xstate_size(&features);
	sw.extended_size = inf->xstate_size + 4;
	sw.xfeatures = features;
	sw.xstate_size = inf->xstate_size;
	memcpy(x + SW_RESERVED, &sw, sizeof(sw));
	memcpy(x + inf->xstate_size, &magic2, 4);
}

/* Calls that give EINTR at a stop, with no restart by the kernel, and are safe to begin again. */
static bool eintr_restartable(long nr)
{
	switch (nr) {
	case SYS_epoll_wait:
	case SYS_epoll_pwait:
	case SYS_epoll_pwait2:
	case SYS_recvfrom:
	case SYS_recvmsg:
	case SYS_accept:
	case SYS_accept4:
	case SYS_rt_sigtimedwait:
	case SYS_semop:
	case SYS_semtimedop:
	case SYS_io_getevents:
	case SYS_io_uring_enter:
	case SYS_read:
		return true;
	default:
		return false;
	}
}

void arch_repair_syscall(struct infection *inf)
{
	struct user_regs_struct *h = &inf->home_regs, *i = &inf->image_regs;
	long ret = (long)inf->regs.rax, nr = (long)inf->regs.orig_rax;

	*h = *i = inf->regs;
	if (nr < 0)
		return;
	if (ret == -ERESTARTSYS || ret == -ERESTARTNOINTR || ret == -ERESTARTNOHAND ||
	    (ret == -EINTR && eintr_restartable(nr))) {
		h->rax = nr;
		h->rip -= 2;
		*i = *h;
	} else if (ret == -ERESTART_RESTARTBLOCK) {
		h->rip -= 2;
		*i = *h;
		h->rax = SYS_restart_syscall;
		/* The original number is lost once inside restart_syscall: EINTR is what is left. */
		if (nr == SYS_restart_syscall) {
			*i = inf->regs;
			i->rax = (unsigned long)-EINTR;
		} else {
			i->rax = nr;
		}
	}
	h->orig_rax = i->orig_rax = -1;
}

/* Length of an instruction that only clears a register, 0 for any other. */
static size_t clear_reg_len(const uint8_t *p)
{
	if (p[0] == 0x31 && p[1] >= 0xc0)
		return 2;
	if (p[0] == 0x45 && p[1] == 0x31 && p[2] >= 0xc0)
		return 3;
	return 0;
}

static bool is_syscall_ret(const uint8_t *p, const uint8_t *end)
{
	size_t n;

	if (p[0] != 0x0f || p[1] != 0x05)
		return false;
	for (p += 2; p + 4 < end; p += n) {
		if (*p == 0xc3)
			return true;
		n = clear_reg_len(p);
		if (!n || (p[0] == 0x31 && p[1] == 0xc0))
			return false;
	}
	return false;
}

void arch_find_gadgets(struct infection *inf, uint64_t addr, const uint8_t *text, size_t len)
{
	static const uint8_t ret1[] = { 0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05 };
	static const uint8_t ret2[] = { 0xb8, 0x0f, 0, 0, 0, 0x0f, 0x05 };
	const uint8_t *end = text + len, *p;

	for (p = text; !inf->gadget && p + 8 < end && (p = memchr(p, 0x0f, end - p - 8)); p++)
		if (is_syscall_ret(p, end))
			inf->gadget = addr + (p - text);
	if (inf->restorer)
		return;
	p = memmem(text, len, ret1, sizeof(ret1));
	if (!p)
		p = memmem(text, len, ret2, sizeof(ret2));
	if (p)
		inf->restorer = addr + (p - text);
}
