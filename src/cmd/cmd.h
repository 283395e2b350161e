/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The verbs of ctcr, and what they share. All return an exit status (0 or 1) unless it says errno. */
#pragma once

#include "options.h"

#define STORE_DIR "/var/lib/ctcr"

struct verb {
	const char *name;
	enum option_verb verb;
	const char *args; /* what follows the options, for the help; NULL: nothing */
	size_t min_args, max_args;
	const char *help;
	int (*run)(struct options *o, const struct option_rest *rest);
};

extern const struct verb verbs[];
extern const size_t n_verbs;
const struct verb *verb_find(const char *name);

int cmd_dump(struct options *o, const struct option_rest *rest);
int cmd_restore(struct options *o, const struct option_rest *rest);
int cmd_check(struct options *o, const struct option_rest *rest);
int cmd_show(struct options *o, const struct option_rest *rest);
int cmd_verify(struct options *o, const struct option_rest *rest);
int cmd_list(struct options *o, const struct option_rest *rest);
int cmd_console(struct options *o, const struct option_rest *rest);
int cmd_help(struct options *o, const struct option_rest *rest);
int cmd_version(struct options *o, const struct option_rest *rest);

/* ctcr called as criu. */
int criu_main(int argc, char **argv);
/* The words of CRIU's configuration files, as options: those that come before @argv's. words_free(). */
int criu_config(char *const *argv, char ***ret);

/* One line and exit status 1. */
int usage_error(const char *fmt, ...) _printf_(1, 2);
/* One line and exit status 1 unless we are root; said before anything is looked up. */
int check_root(void);
/* A container name that cannot lead out of a directory; logs. Negative errno. */
int check_name(const char *ct);
/*
 * Make every path of @o absolute, fill in work_dir and (unless @log_name is NULL) log_file, go to
 * work_dir. Negative errno, logged.
 */
int cmd_paths(struct options *o, const char *log_name);
/* cmd_paths(), then log to log_file if there is one ("-": standard output). */
int cmd_prepare(struct options *o, const char *log_name);
/* Print @o as a command line of @verb. */
int cmd_print_options(const struct options *o, enum option_verb verb);

/* The directory of a new image of @ct; the newest complete image of @ct. malloc()ed; negative errno, logged.
 */
int store_new(const char *ct, char **ret);
int store_newest(const char *ct, char **ret);
/* Make the directory of @ct, for what store_new() says. Negative errno, logged. */
int store_make(const char *ct);

/* What this kernel can do, by the names "criu check --feature" knows too. */
struct feature {
	const char *name, *help;
	bool needed; /* ctcr does not work without */
	bool (*probe)(void);
};
extern const struct feature features[];
extern const size_t n_features;
/* Log the needed ones that are missing; their number. */
size_t features_missing(void);
