/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CRIU's configuration files: one option a line, without dashes, "name", "name value", "name=value",
 * "name \"quoted value\""; # begins a comment. /etc/criu/default.conf, ~/.criu/default.conf (unless
 * --config or --no-default-config), $CRIU_CONFIG_FILE, then --config FILE; later ones win.
 */
#include <ctype.h>
#include <fcntl.h>

#include "base/io.h"
#include "base/log.h"
#include "base/parse.h"
#include "cmd/cmd.h"

struct words {
	char **list;
	size_t n;
};

static int add_word(struct words *w, char *word)
{
	if (!word || !GROW(w->list, w->n)) {
		free(word);
		return log_oom();
	}
	w->list[w->n++] = word;
	return 0;
}

/* Undo the quotes around *@value in place and cut what follows; false: malformed. */
static bool unquote(char *value)
{
	char *in = value + 1, *out = value;

	while (*in && *in != '"') {
		if (*in == '\\' && (in[1] == '"' || in[1] == '\\'))
			in++;
		*out++ = *in++;
	}
	if (*in != '"')
		return false;
	in++;
	*out = 0;
	in += strspn(in, " \t");
	return !*in || *in == '#';
}

static bool cut_plain(char *value)
{
	size_t n = strcspn(value, " \t");
	const char *rest = value + n + strspn(value + n, " \t");
	bool ok = !*rest || *rest == '#';

	value[n] = 0;
	return ok;
}

static int add_line(struct words *w, const char *file, char *line)
{
	size_t n;
	char *value;
	int err;

	line += strspn(line, " \t");
	if (!*line || *line == '#')
		return 0;
	n = strcspn(line, " \t");
	value = line + n + strspn(line + n, " \t");
	line[n] = 0;
	if (*value == '#')
		*value = 0;
	if (*value && !(*value == '"' ? unquote(value) : cut_plain(value))) {
		log_error("%s: %s: more than one value", file, line);
		return -EINVAL;
	}
	err = add_word(w, *value ? xasprintf("--%s=%s", line, value) : xasprintf("--%s", line));
	return err;
}

static int add_file(struct words *w, const char *file, bool must)
{
	_cleanup_free_ char *text = NULL;
	char *next, *line;
	int err = read_text_at(AT_FDCWD, file, &text);

	if (err == -ENOENT && !must)
		return 0;
	if (err < 0)
		return log_errno(err, "%s", file);
	next = text;
	while (err >= 0 && (line = next_line(&next)))
		err = add_line(w, file, line);
	return err;
}

/* The value of --config in @argv; *ret_none: the default files are not wanted. */
static const char *find_config(char *const *argv, bool *ret_none)
{
	const char *file = NULL;

	*ret_none = false;
	for (; *argv; argv++) {
		const char *v = startswith(*argv, "--config=");

		if (streq(*argv, "--no-default-config"))
			*ret_none = true;
		if (streq(*argv, "--config") && argv[1])
			v = argv[1];
		if (v)
			file = v;
	}
	return file;
}

static int default_files(struct words *w)
{
	const char *home = getenv("HOME");
	_cleanup_free_ char *file = home ? xasprintf("%s/.criu/default.conf", home) : NULL;
	int err = add_file(w, "/etc/criu/default.conf", false);

	return err >= 0 && file ? add_file(w, file, false) : err;
}

int criu_config(char *const *argv, char ***ret)
{
	const char *env = getenv("CRIU_CONFIG_FILE"), *config;
	struct words w = { 0 };
	bool none;
	int err = 0;

	config = find_config(argv, &none);
	if (!none && !config)
		err = default_files(&w);
	if (err >= 0 && env)
		err = add_file(&w, env, false);
	if (err >= 0 && config)
		err = add_file(&w, config, true);
	if (err >= 0 && GROW(w.list, w.n)) {
		w.list[w.n] = NULL;
		*ret = w.list;
		return 0;
	}
	for (size_t i = 0; i < w.n; i++)
		free(w.list[i]);
	free(w.list);
	return err < 0 ? err : log_oom();
}
