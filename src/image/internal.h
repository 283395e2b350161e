/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of image/ share: the struct, checksums, headers. Nobody else includes this. */
#pragma once

#include <xxhash.h>

#include "image/image.h"

#define IMAGE_MAGIC "ctcr"
#define IMAGE_NAME_MAX 96
#define IMAGE_SUM_SIZE 16
#define INVENTORY_NAME "inventory.img"
#define INVENTORY_TMP ".inventory.tmp"
#define INVENTORY_MAX (64UL << 20)

/* A file of the image: being written (sum known once closed if of records), or from the inventory. */
struct image_member {
	char *name; /* with suffix */
	uint64_t size;
	uint8_t sum[IMAGE_SUM_SIZE];
	bool summed; /* size and sum are known */
	const char *type; /* name of the records' message while writing */
};

struct image {
	char *path;
	int dirfd;
	bool writing; /* until the commit */
	bool ours; /* image_remove() may remove it */
	bool made_dir;
	struct image_member *files;
	size_t n_files;
	InventoryEntry *inventory;
};

/* Letters, digits, '.', '_', '-', not beginning with '.', no "..", not too long. */
bool image_name_ok(const char *name);
struct image_member *image_find(const struct image *img, const char *name);
/* Make the file @name (with suffix) and note it: a descriptor. */
int image_member_create(struct image *img, const char *name);

/* The header of a record file: magic, format, length of name, name. At most this many bytes. */
#define IMAGE_HEADER_MAX (12 + IMAGE_NAME_MAX)
size_t image_header(void *buf, const char *name);
/* Check the header at the beginning of @buf (@len bytes read): its length, or -EBADMSG; logs nothing. */
int image_header_check(const void *buf, size_t len, const char *name);
/* The header's length for the name of the file @file ("files.img": the name "files"). */
void image_stem(char *buf, const char *file);

/* Sum of all of @fd from offset 0; @ret_size bytes. */
int image_sum_fd(int fd, uint8_t *ret, uint64_t *ret_size);
void image_sum_done(const XXH3_state_t *state, uint8_t *ret);

/* Run @job for 0 to @n - 1, several at a time; stops early at an error and returns the first one. */
int image_each(struct image *img, size_t n, int (*job)(struct image *img, size_t i));

int inventory_host(InventoryEntry *inv);
