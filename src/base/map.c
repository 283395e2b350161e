/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/map.h"

void map_done(struct map *m)
{
	free(m->slots);
	*m = (struct map){ 0 };
}

static uint64_t map_hash(uint64_t x)
{
	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdULL;
	x ^= x >> 33;
	x *= 0xc4ceb9fe1a85ec53ULL;
	return x ^ x >> 33;
}

uint64_t map_mix(uint64_t a, uint64_t b)
{
	return map_hash(a) * 31 + map_hash(b ^ 0x9e3779b97f4a7c15ULL);
}

static struct map_slot *map_slot(const struct map *m, uint64_t key)
{
	size_t i = map_hash(key) & (m->cap - 1);

	while (m->slots[i].val && m->slots[i].key != key)
		i = (i + 1) & (m->cap - 1);
	return &m->slots[i];
}

void *map_get(const struct map *m, uint64_t key)
{
	return m->cap ? map_slot(m, key)->val : NULL;
}

static int map_grow(struct map *m)
{
	struct map next = { .cap = m->cap ? m->cap * 2 : 16, .n = m->n };

	next.slots = calloc(next.cap, sizeof(*next.slots));
	if (!next.slots)
		return -ENOMEM;
	for (size_t i = 0; i < m->cap; i++)
		if (m->slots[i].val)
			*map_slot(&next, m->slots[i].key) = m->slots[i];
	free(m->slots);
	*m = next;
	return 0;
}

int map_put(struct map *m, uint64_t key, void *val)
{
	struct map_slot *s;

	if (m->n * 4 >= m->cap * 3) {
		int ret = map_grow(m);

		if (ret < 0)
			return ret;
	}
	s = map_slot(m, key);
	if (!s->val)
		m->n++;
	*s = (struct map_slot){ key, val };
	return 0;
}
