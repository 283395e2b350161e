/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One program with two faces: ctcr, and criu for those that call it by that name. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>

#include "base/log.h"
#include "cmd/cmd.h"
#include "lxc/lxc.h"

/* Callers start us with standard descriptors closed, or everything blocked. */
static void sane_process(void)
{
	sigset_t none;

	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0)
			return;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static bool wants_help(char **argv)
{
	for (; *argv && !streq(*argv, "--"); argv++)
		if (streq(*argv, "--help") || streq(*argv, "-h"))
			return true;
	return false;
}

static int run_verb(const struct verb *v, char **argv)
{
	struct option_rest rest = { .n = 0 };
	struct options o;
	int ret;

	if (wants_help(argv)) {
		rest = (struct option_rest){ .args = { v->name }, .n = 1 };
		return cmd_help(NULL, &rest);
	}
	options_init(&o);
	o.verb = v->name;
	o.containers = &lxc_containers;
	log_init(v->name, LOG_WARN);
	ret = options_parse(&ctcr_options, &o, v->verb, argv, &rest) < 0;
	if (!ret && (rest.n < v->min_args || rest.n > v->max_args))
		ret = usage_error("usage: ctcr %s [OPTION...]%s%s", v->name, v->args ? " " : "",
				  v->args ?: "");
	if (!ret) {
		log_init(v->name, MIN(LOG_WARN + o.verbose, LOG_DEBUG));
		if (!(v->verb & (VERB_DUMP | VERB_RESTORE | VERB_CONSOLE)))
			signal(SIGPIPE, SIG_DFL);
		ret = v->run(&o, &rest);
	}
	options_done(&o);
	return ret;
}

static int ctcr_main(int argc, char **argv)
{
	const struct verb *v;

	if (argc < 2)
		return usage_error("which verb? see ctcr help");
	if (streq(argv[1], "--version") || streq(argv[1], "-V"))
		return cmd_version(NULL, NULL);
	if (streq(argv[1], "--help") || streq(argv[1], "-h"))
		return cmd_help(NULL, &(const struct option_rest){ .n = 0 });
	v = verb_find(argv[1]);
	return v ? run_verb(v, argv + 2) : 1;
}

int main(int argc, char **argv)
{
	const char *base = argc > 0 ? strrchr(argv[0], '/') : NULL;

	sane_process();
	base = base ? base + 1 : argc > 0 ? argv[0] : "";
	return streq(base, "criu") ? criu_main(argc, argv) : ctcr_main(argc, argv);
}
