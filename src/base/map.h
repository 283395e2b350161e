/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A hash map from a 64-bit key to a pointer (open addressing, linear probing). Zeroed is empty.
 * Values belong to the caller.
 */
#pragma once

#include "base/util.h"

struct map {
	struct map_slot {
		uint64_t key;
		void *val;
	} * slots;
	size_t n, cap;
};

void map_done(struct map *m);
void *map_get(const struct map *m, uint64_t key);
/* Set @key to @val (not NULL), replacing; 0 or -ENOMEM. */
int map_put(struct map *m, uint64_t key, void *val);
/* A 64-bit mix of two numbers, for composite keys whose collisions the caller resolves. */
uint64_t map_mix(uint64_t a, uint64_t b);
