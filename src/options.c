/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parser of command lines: GNU style, options and arguments in any order. */
#include "options.h"

#include "base/log.h"

#define NAME_MAX_ 40

struct parse {
	const struct option_set *set;
	void *opts;
	enum option_verb verb;
	char *const *next; /* the word after the one looked at */
	struct option_rest rest;
};

static size_t min3(size_t a, size_t b, size_t c)
{
	return MIN(MIN(a, b), c);
}

/* Levenshtein distance; two letters that changed places count as two. */
static size_t distance(const char *a, const char *b)
{
	size_t row[NAME_MAX_ + 1], na = strlen(a), nb = strlen(b);

	if (na > NAME_MAX_ || nb > NAME_MAX_)
		return NAME_MAX_;
	for (size_t j = 0; j <= nb; j++)
		row[j] = j;
	for (size_t i = 1; i <= na; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= nb; j++) {
			size_t above = row[j];

			row[j] = min3(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[nb];
}

const char *nearest_name(const char *word, const char *const *names)
{
	size_t best = MIN(strlen(word) / 3 + 1, (size_t)3) + 1;
	const char *ret = NULL;

	for (; *names; names++) {
		size_t d = strlen(word) >= 3 && startswith(*names, word) ? 1 : distance(word, *names);

		if (d < best) {
			best = d;
			ret = *names;
		}
	}
	return ret;
}

static const char *nearest_option(const struct parse *p, const char *word)
{
	const char *names[128];
	size_t n = 0;

	for (size_t i = 0; i < p->set->n && n < ARRAY_SIZE(names) - 1; i++)
		if (p->set->rows[i].verbs & p->verb)
			names[n++] = p->set->rows[i].name;
	names[n] = NULL;
	return nearest_name(word, names);
}

/* The row for --@name of length @len, or for the letter; one for this verb if there is one. */
static const struct option_row *find_row(const struct parse *p, const char *name, size_t len, char letter)
{
	const struct option_row *other = NULL;

	for (size_t i = 0; i < p->set->n; i++) {
		const struct option_row *row = &p->set->rows[i];

		if (name ? strlen(row->name) != len || strncmp(row->name, name, len) != 0
			 : !row->letter || row->letter != letter)
			continue;
		if (row->verbs & p->verb)
			return row;
		other = row;
	}
	return other;
}

static int unknown_option(const struct parse *p, const char *word, const char *name)
{
	const char *like = name ? nearest_option(p, name) : NULL;

	if (like)
		log_error("%s: no such option; did you mean --%s?", word, like);
	else
		log_error("%s: no such option", word);
	return -EINVAL;
}

static int check_verb(const struct parse *p, const struct option_row *row, const char *word)
{
	if (row->verbs & p->verb)
		return 0;
	log_error("%s: not an option of this verb", word);
	return -EINVAL;
}

/* An argument in the next word, if the row wants one there. */
static const char *next_word(struct parse *p, const struct option_row *row)
{
	const char *word = *p->next;

	if (!word || row->arg == ARG_NONE)
		return NULL;
	if (row->arg == ARG_OPTIONAL && (!row->taken || word[0] == '-' || !strstr(word, row->taken)))
		return NULL;
	p->next++;
	return word;
}

static int apply(struct parse *p, const struct option_row *row, const char *word, const char *value)
{
	int err = check_verb(p, row, word);

	if (err < 0)
		return err;
	if (value && row->arg == ARG_NONE) {
		log_error("--%s: takes no argument", row->name);
		return -EINVAL;
	}
	if (!value)
		value = next_word(p, row);
	if (!value && row->arg == ARG_REQUIRED) {
		log_error("%s: needs an argument: %s", word, row->value);
		return -EINVAL;
	}
	return row->set(p->opts, row, value);
}

static int parse_long(struct parse *p, const char *word)
{
	const char *name = word + 2, *eq = strchr(name, '=');
	size_t len = eq ? (size_t)(eq - name) : strlen(name);
	const struct option_row *row = find_row(p, name, len, 0);
	const char *negated = startswith(name, "no-");

	if (row)
		return apply(p, row, word, eq ? eq + 1 : NULL);
	if (negated && p->set->negatable && !eq) {
		row = find_row(p, negated, strlen(negated), 0);
		if (row && row->set == set_flag && (row->verbs & p->verb)) {
			*(bool *)((char *)p->opts + row->offset) = false;
			return 0;
		}
	}
	return unknown_option(p, word, eq ? NULL : name);
}

/* -v2 has a value, -vD none: the letters that follow are options. */
static bool takes_rest(const struct option_row *row, const char *rest)
{
	return row->arg != ARG_NONE && (row->set != set_verbose || (*rest >= '0' && *rest <= '9'));
}

/* -x, -xVALUE, -abc. */
static int parse_short(struct parse *p, const char *word)
{
	for (const char *c = word + 1; *c; c++) {
		const struct option_row *row = find_row(p, NULL, 0, *c);
		char name[3] = { '-', *c, 0 };
		int err;

		if (!row)
			return unknown_option(p, name, NULL);
		if (c[1] && takes_rest(row, c + 1))
			return apply(p, row, name, c + 1);
		err = apply(p, row, name, NULL);
		if (err < 0 || row->arg == ARG_REQUIRED)
			return err;
	}
	return 0;
}

static int parse_plain(struct parse *p, const char *word)
{
	if (p->rest.n == ARRAY_SIZE(p->rest.args)) {
		log_error("%s: too many arguments", word);
		return -EINVAL;
	}
	p->rest.args[p->rest.n++] = word;
	return 0;
}

int options_parse(const struct option_set *set, void *opts, enum option_verb verb, char *const *argv,
		  struct option_rest *ret_rest)
{
	struct parse p = { .set = set, .opts = opts, .verb = verb, .next = argv };
	bool plain = false;
	int err = 0;

	while (*p.next && err >= 0) {
		const char *word = *p.next++;

		if (plain || word[0] != '-' || !word[1])
			err = parse_plain(&p, word);
		else if (streq(word, "--"))
			plain = true;
		else if (word[1] == '-')
			err = parse_long(&p, word);
		else
			err = parse_short(&p, word);
	}
	if (err >= 0)
		*ret_rest = p.rest;
	return err;
}

static void help_row(const struct option_row *row, FILE *out)
{
	char left[64], letter[8] = "    ";
	int n;

	if (row->letter)
		snprintf(letter, sizeof(letter), "-%c, ", row->letter);
	n = snprintf(left, sizeof(left), "%s--%s", letter, row->name);
	if (row->arg == ARG_REQUIRED)
		n += snprintf(left + n, sizeof(left) - n, " %s", row->value);
	if (row->arg == ARG_OPTIONAL)
		n += snprintf(left + n, sizeof(left) - n, "[=%s]", row->value);
	if (n > 30)
		fprintf(out, "  %s\n  %-30s  %s\n", left, "", row->help);
	else
		fprintf(out, "  %-30s  %s\n", left, row->help);
}

void options_help(const struct option_set *set, enum option_verb verb, FILE *out)
{
	for (size_t i = 0; i < set->n; i++)
		if (set->rows[i].verbs & verb)
			help_row(&set->rows[i], out);
}

int option_bad(const struct option_row *row, const char *value, const char *why)
{
	log_error("--%s %s: %s", row->name, value ?: "", why);
	return -EINVAL;
}
