/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/scripts.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "base/io.h"
#include "base/log.h"
#include "base/syscalls.h"

extern char **environ;

struct script_env {
	char action[64], image[64], pid[48], ct[300];
	char **list;
};

static int env_new(struct script_env *e)
{
	size_t n = 0, k = 0;

	while (environ[n])
		n++;
	e->list = calloc(n + 5, sizeof(*e->list));
	if (!e->list)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		if (!startswith(environ[i], "CRTOOLS_") && !startswith(environ[i], "CTCR_CT="))
			e->list[k++] = environ[i];
	e->list[k++] = e->action;
	e->list[k++] = e->image;
	if (*e->pid)
		e->list[k++] = e->pid;
	if (*e->ct)
		e->list[k++] = e->ct;
	return 0;
}

/* In the child of vfork's kind: only async-signal-safe calls. */
static void script_child(const char *path, char **env)
{
	char *const argv[] = { (char *)path, NULL };
	int out = log_fd() >= 0 ? log_fd() : STDERR_FILENO;
	const uint64_t default_action[4] = { 0 };
	sigset_t none;
	int null = open("/dev/null", O_RDWR);

	/* Not by signal(3), which leaves the C library's own two signals as they are. */
	for (int sig = 1; sig < NSIG; sig++)
		syscall(SYS_rt_sigaction, sig, default_action, NULL, 8);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	dup2(null, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	syscall(SYS_close_range, 3, ~0U, 0);
	execvpe(path, argv, env);
	_exit(127);
}

static int script_run(const char *path, const char *action, char **env)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return log_errno(-errno, "action script %s", path);
	if (pid == 0)
		script_child(path, env);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return log_errno(-errno, "action script %s", path);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFEXITED(status))
		log_error("action script %s failed at %s: exit status %d", path, action, WEXITSTATUS(status));
	else
		log_error("action script %s failed at %s: %s", path, action, strsignal(WTERMSIG(status)));
	return -ECANCELED;
}

int scripts_run(const struct options *o, const char *action, int image_dirfd, pid_t pid)
{
	struct script_env e = { 0 };
	int ret;

	if (!o->n_scripts)
		return 0;
	snprintf(e.action, sizeof(e.action), "CRTOOLS_SCRIPT_ACTION=%s", action);
	snprintf(e.image, sizeof(e.image), "CRTOOLS_IMAGE_DIR=/proc/%d/fd/%d", getpid(), image_dirfd);
	if (pid)
		snprintf(e.pid, sizeof(e.pid), "CRTOOLS_INIT_PID=%d", pid);
	if (o->ct)
		snprintf(e.ct, sizeof(e.ct), "CTCR_CT=%s", o->ct);
	ret = env_new(&e);
	if (ret < 0)
		return log_oom();
	log_info("action %s", action);
	for (size_t i = o->n_scripts; i-- > 0;) {
		int err = script_run(o->scripts[i], action, e.list);

		if (err < 0)
			ret = err;
	}
	free(e.list);
	return ret;
}
