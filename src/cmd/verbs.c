/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which verbs there are; help and version. */
#include <stdarg.h>

#include "base/io.h"
#include "base/log.h"
#include "cmd/cmd.h"

const struct verb verbs[] = {
	{ "dump", VERB_DUMP, NULL, 0, 0, "write the state of a container to an image, and end it", cmd_dump },
	{ "restore", VERB_RESTORE, NULL, 0, 0, "make the container of an image run again", cmd_restore },
	{ "check", VERB_CHECK, NULL, 0, 0,
	  "say what would keep a container (or this kernel) from being dumped", cmd_check },
	{ "show", VERB_SHOW, "DIR [FILE]", 1, 2, "print an image, or one file of it, as JSON", cmd_show },
	{ "verify", VERB_VERIFY, "DIR", 1, 1, "prove that an image is complete and undamaged", cmd_verify },
	{ "list", VERB_LIST, NULL, 0, 0, "the images below " STORE_DIR, cmd_list },
	{ "console", VERB_CONSOLE, NULL, 0, 0, "attach to the console or a tty of a restored container",
	  cmd_console },
	{ "help", VERB_HELP, "[VERB]", 0, 1, "this text, or all options of VERB", cmd_help },
	{ "version", VERB_VERSION, NULL, 0, 0, "the version", cmd_version },
};

const size_t n_verbs = ARRAY_SIZE(verbs);

const struct verb *verb_find(const char *name)
{
	const char *names[ARRAY_SIZE(verbs) + 1] = { 0 };
	const char *like;

	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (streq(verbs[i].name, name))
			return &verbs[i];
		names[i] = verbs[i].name;
	}
	like = nearest_name(name, names);
	if (like)
		log_error("%s: no such verb; did you mean %s?", name, like);
	else
		log_error("%s: no such verb; see ctcr help", name);
	return NULL;
}

static void help_all(void)
{
	puts("usage: ctcr VERB [OPTION...]\n\n"
	     "  ctcr dump --ct web                  the state of web goes to " STORE_DIR "/web/TIME\n"
	     "  ctcr restore --ct web --veth-pair   web runs on, where it was\n\nverbs:");
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		printf("  %-10s %s\n", verbs[i].name, verbs[i].help);
	puts("\nctcr help VERB lists the options of VERB; ctcr(1) tells all.");
}

static void help_verb(const struct verb *v)
{
	printf("usage: ctcr %s [OPTION...]%s%s\n\n%s\n", v->name, v->args ? " " : "", v->args ?: "", v->help);
	puts("\noptions:");
	options_help(&ctcr_options, v->verb, stdout);
}

int cmd_help(struct options *o, const struct option_rest *rest)
{
	const struct verb *v;

	if (!rest->n) {
		help_all();
		return 0;
	}
	v = verb_find(rest->args[0]);
	if (!v)
		return 1;
	help_verb(v);
	return 0;
}

int cmd_version(struct options *o, const struct option_rest *rest)
{
	puts("ctcr " CTCR_VERSION);
	return 0;
}

int usage_error(const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_error("%s", text);
	return 1;
}
