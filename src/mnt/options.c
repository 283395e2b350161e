/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "mnt/options.h"

#include <stdio.h>

bool option_is_known(const struct fs_type *type, const char *key)
{
	for (const char *const *o = type->options; o && *o; o++)
		if (streq(*o, key))
			return true;
	return false;
}

static int add_option(MntSourceEntry *s, const char *key, const char *value)
{
	MntOptionEntry *o = malloc(sizeof(*o));

	if (!o || !GROW(s->options, s->n_options)) {
		free(o);
		return -ENOMEM;
	}
	mnt_option_entry__init(o);
	s->options[s->n_options++] = o;
	o->key = strdup(key);
	if (value)
		o->value = strdup(value);
	return o->key && (!value || o->value) ? 0 : -ENOMEM;
}

int options_to_msg(const struct fs_type *type, const char *text, MntSourceEntry *s)
{
	_cleanup_free_ char *copy = strdup(text);
	char *rest = copy, *w;
	int err = copy ? 0 : -ENOMEM;

	while (err >= 0 && (w = strsep(&rest, ","))) {
		char *value = strchr(w, '=');

		if (value)
			*value++ = 0;
		if (option_is_known(type, w))
			err = add_option(s, w, value);
	}
	return err;
}

int id_to_inside(const char *map, uint32_t id, uint32_t *ret)
{
	unsigned int inside, outside, count;
	int used;

	for (; sscanf(map, " %u %u %u%n", &inside, &outside, &count, &used) == 3; map += used) {
		if (id < outside || id - outside >= count)
			continue;
		*ret = inside + (id - outside);
		return 0;
	}
	return -EINVAL;
}
