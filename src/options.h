/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Command lines by tables: one option is one row. The parser, the help and the way back from struct
 * options to a command line all read the rows; ctcr has one table (option_rows.c), its criu face
 * another (cmd/criu.c).
 *
 * Whatever is wrong with a command line is one logged line and -EINVAL.
 */
#pragma once

#include <stdio.h>

#include "base/strbuf.h"
#include "core/options.h"

enum option_verb {
	VERB_DUMP = 1,
	VERB_RESTORE = 2,
	VERB_CHECK = 4,
	VERB_SHOW = 8,
	VERB_VERIFY = 16,
	VERB_LIST = 32,
	VERB_CONSOLE = 64,
	VERB_HELP = 128,
	VERB_VERSION = 256,
	VERB_ALL = 511,
};

enum option_arg { ARG_NONE, ARG_REQUIRED, ARG_OPTIONAL };

struct option_row {
	const char *name; /* without dashes */
	char letter; /* 0: none */
	enum option_arg arg;
	const char
		*value; /* what the argument is called; with ARG_OPTIONAL only "--x=V" and "-xV" have one, */
	const char *taken; /* and a separate word that contains this (NULL: never) */
	unsigned int verbs;
	/* Put @value (NULL: none given) where it belongs in @opts; -EINVAL: logged by option_bad(). */
	int (*set)(void *opts, const struct option_row *row, const char *value);
	size_t offset; /* of the member the generic setters fill */
	const char *help;
};

struct option_set {
	const struct option_row *rows;
	size_t n;
	bool negatable; /* --no-X for every row without argument that sets a bool */
};

/* What is left of the command line: no options. */
struct option_rest {
	const char *args[8];
	size_t n;
};

/* Read @argv (NULL-terminated, the first option or argument at [0]) into @opts for @verb. */
int options_parse(const struct option_set *set, void *opts, enum option_verb verb, char *const *argv,
		  struct option_rest *ret_rest);
/* The name of @names (NULL-terminated) that is most like @word, NULL if none is near. */
const char *nearest_name(const char *word, const char *const *names);
/* Print the help lines of the rows for @verb. */
void options_help(const struct option_set *set, enum option_verb verb, FILE *out);

/* Generic setters for rows. */
int set_flag(void *opts, const struct option_row *row, const char *value); /* bool */
int set_string(void *opts, const struct option_row *row, const char *value); /* char *, the last one counts */
int set_size(void *opts, const struct option_row *row, const char *value); /* uint64_t with K, M, G */
int set_seconds(void *opts, const struct option_row *row, const char *value); /* unsigned int */
int set_verbose(void *opts, const struct option_row *row, const char *value); /* int: -v, -vv, -v4 */
int set_pid(void *opts, const struct option_row *row, const char *value);
/* Setters into the lists of struct options, of which @opts begins with one. */
int set_script(void *opts, const struct option_row *row, const char *value);
int set_skip_mount(void *opts, const struct option_row *row, const char *value);
int set_external(void *opts, const struct option_row *row, const char *value);
int set_veth_pair(void *opts, const struct option_row *row, const char *value);
int set_mount_map(void *opts, const struct option_row *row, const char *value);
int set_inherit(void *opts, const struct option_row *row, const char *value);
int set_cgroup_root(void *opts, const struct option_row *row, const char *value);
int set_cgroup_mode(void *opts, const struct option_row *row, const char *value);
int set_netlock(void *opts, const struct option_row *row, const char *value);
int set_address(void *opts, const struct option_row *row, const char *value);
/* "--name VALUE: @why" logged; -EINVAL. */
int option_bad(const struct option_row *row, const char *value, const char *why);

extern const struct option_set ctcr_options;
extern const char *const cgroup_mode_names[]; /* by enum cgroup_mode */
extern const char *const netlock_names[]; /* by enum netlock_method */

/* What a fresh struct options holds. */
void options_init(struct options *o);
/* @o as words of a command line of @verb: a malloc()ed, NULL-terminated array; words_free(). */
int options_words(const struct options *o, enum option_verb verb, char ***ret, size_t *ret_n);
void words_free(char **words);
