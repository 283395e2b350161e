/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Directories, paths and the log of a run. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "image/image.h"

int check_root(void)
{
	return geteuid() == 0 ? 0 : usage_error("this needs root");
}

int check_name(const char *ct)
{
	if (*ct && !strchr(ct, '/') && ct[0] != '.' && strlen(ct) < NAME_MAX)
		return 0;
	log_error("--ct %s: not the name of a container", ct);
	return -EINVAL;
}

/* Replace *@path by its absolute form below @base (NULL: the current directory). */
static int make_absolute(char **path, const char *base)
{
	_cleanup_free_ char *cwd = NULL;
	char *full;

	if (!*path || **path == '/')
		return 0;
	if (!base) {
		cwd = getcwd(NULL, 0);
		if (!cwd)
			return log_errno(errno, "the current directory");
		base = cwd;
	}
	full = streq(*path, ".") ? strdup(base) : xasprintf("%s/%s", base, *path);
	if (!full)
		return log_oom();
	free(*path);
	*path = full;
	return 0;
}

static int absolute_paths(struct options *o)
{
	int err = make_absolute(&o->images_dir, NULL);

	if (err >= 0)
		err = make_absolute(&o->work_dir, NULL);
	if (err < 0)
		return err;
	if (!o->work_dir)
		o->work_dir = o->images_dir ? strdup(o->images_dir) : getcwd(NULL, 0);
	if (!o->work_dir)
		return log_oom();
	err = make_absolute(&o->root, NULL);
	if (err >= 0)
		err = make_absolute(&o->pidfile, o->work_dir);
	if (err >= 0)
		err = make_absolute(&o->stats_file, o->work_dir);
	if (err >= 0 && o->log_file && !streq(o->log_file, "-"))
		err = make_absolute(&o->log_file, o->work_dir);
	return err;
}

/* Scripts are looked up from where the user stood, not from the work directory. */
static int absolute_scripts(struct options *o)
{
	int err = 0;

	for (size_t i = 0; i < o->n_scripts && err >= 0 && !o->criu; i++)
		if (strchr(o->scripts[i], '/'))
			err = make_absolute(&o->scripts[i], NULL);
	return err;
}

static int open_log(struct options *o)
{
	int fd;

	if (streq(o->log_file, "-")) {
		log_to(STDOUT_FILENO);
		return 0;
	}
	fd = open(o->log_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0)
		return log_errno(errno, "%s: cannot write the log", o->log_file);
	if (streq(o->verb, "dump") && flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK) {
		log_error("%s: another dump is writing there; choose another directory", o->log_file);
		close(fd);
		return -EBUSY;
	}
	if (ftruncate(fd, 0) < 0 && errno != EINVAL) /* a pipe, a terminal */
		log_warn("%s: %s", o->log_file, strerror(errno));
	log_to(fd_high(fd));
	return 0;
}

int cmd_paths(struct options *o, const char *log_name)
{
	int err = absolute_paths(o);

	if (err >= 0)
		err = absolute_scripts(o);
	if (err < 0)
		return err;
	if (chdir(o->work_dir) < 0)
		return log_errno(errno, "%s: the work directory", o->work_dir);
	if (!o->log_file && log_name) {
		o->log_file = xasprintf("%s/%s", o->work_dir, log_name);
		if (!o->log_file)
			return log_oom();
	}
	return 0;
}

int cmd_prepare(struct options *o, const char *log_name)
{
	int err = cmd_paths(o, log_name);

	if (err >= 0 && streq(o->verb, "dump") && options_words(o, VERB_DUMP, &o->words, &o->n_words) < 0)
		return log_oom();
	return err >= 0 && o->log_file ? open_log(o) : err;
}

static void print_quoted(const char *word)
{
	static const char plain[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=./:,@+%^";

	if (*word && strspn(word, plain) == strlen(word)) {
		fputs(word, stdout);
		return;
	}
	putchar('\'');
	for (; *word; word++)
		fputs(*word == '\'' ? "'\\''" : (char[]){ *word, 0 }, stdout);
	putchar('\'');
}

int cmd_print_options(const struct options *o, enum option_verb verb)
{
	char **words;
	size_t n;

	if (options_words(o, verb, &words, &n) < 0) {
		log_oom();
		return 1;
	}
	for (size_t i = 0; i < n; i++) {
		print_quoted(words[i]);
		putchar('\n');
	}
	words_free(words);
	return 0;
}
