/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An image: a flat directory of files, the inventory last.
 *
 * Every file but the page files begins with a header {magic "ctcr", format version, name} and holds
 * records: u32 little-endian length, then one packed protobuf message. Page files (pages-N.img) are
 * raw, page-aligned data. image_commit() writes inventory.img, which names every file with size and
 * XXH3-128 and is itself checksummed; an image without it is no image. Readers treat everything as
 * hostile: lengths, counts and references are checked. Files are 0600, the directory 0700.
 *
 * Errors: negative errno; the failing file is logged here, with its name.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdio.h>

#include "base/util.h"
#include "proto/inventory.pb-c.h"

#define IMAGE_FORMAT 1

struct image;
struct image_file;

/*
 * Could a dump go to the directory @path? It may be absent, or hold what a dump that was cut short and logs
 * leave; -EEXIST: an image, -ENOTEMPTY: anything else. Nothing is changed.
 */
int image_place_check(const char *path);
/* A new image in the directory @path (made if absent, but not its parents; must hold no inventory), for
 * writing. */
int image_create(const char *path, struct image **ret);
/*
 * An existing image for reading: the inventory is read, every file's presence, size and checksum
 * are verified before this returns.
 */
int image_open(const char *path, struct image **ret);
/* Close; an uncommitted new image's files are left (see image_remove()). */
void image_free(struct image *img);
/* Undo of image_create(), also after the commit: remove every file we made, and the directory if we made it.
 */
void image_remove(struct image *img);
/* fsync everything, compute checksums, rename inventory.img into place: the commit. */
int image_commit(struct image *img);

/*
 * What the inventory says about the dump. Call it while the tasks are held: it also notes the three
 * clocks and the host's kernel and CPU. Strings are copied; NULL and 0 are left out.
 */
struct image_about {
	const char *container;
	uint32_t root_pid, n_tasks;
	const char *network_lock; /* "nftables", "skip" */
	const char *const *options; /* "--tcp-established", ... */
	size_t n_options;
};
int image_describe(struct image *img, const struct image_about *about);
/* The inventory, after image_open() or image_describe(); NULL before. Owned by the image. */
const InventoryEntry *image_inventory(const struct image *img);
/* The descriptor of the message called @name, NULL if there is none. All of them, NULL at the end. */
const ProtobufCMessageDescriptor *image_type(const char *name);
extern const ProtobufCMessageDescriptor *const image_descriptors[];
/* Print @msg as a JSON object, its braces @depth steps in. */
void image_json(const ProtobufCMessage *msg, int depth, FILE *out);
/* Only the inventory of the image in @path, its files not verified (ctcr list). Freed with the usual. */
int image_peek(const char *path, InventoryEntry **ret);
/* The XCR0 and xsave area size of this host's CPU (0 where there is none). */
uint64_t image_cpu_xfeatures(uint32_t *ret_size);

int image_dirfd(const struct image *img);
const char *image_path(const struct image *img);

/* A file of records for writing: @name without ".img". */
int image_file_create(struct image *img, const char *name, struct image_file **ret);
int image_file_write(struct image_file *f, const ProtobufCMessage *msg);
int image_file_close(struct image_file *f); /* frees; reports the first write error */
/* Shortcut: one file with these records. */
int image_write(struct image *img, const char *name, const ProtobufCMessage *const *msgs, size_t n);
int image_write_one(struct image *img, const char *name, const ProtobufCMessage *msg);

/*
 * All records of the file @name as messages of type @desc: *@ret is a malloc()ed array of @ret_n,
 * freed with image_messages_free(). A file that is not in the inventory reads as no records.
 */
int image_read(struct image *img, const char *name, const ProtobufCMessageDescriptor *desc,
	       ProtobufCMessage ***ret, size_t *ret_n);
/* Exactly one record: -EBADMSG else. Freed with protobuf_c_message_free_unpacked(). */
int image_read_one(struct image *img, const char *name, const ProtobufCMessageDescriptor *desc,
		   ProtobufCMessage **ret);
void image_messages_free(ProtobufCMessage **msgs, size_t n);

/* A raw file (page data, archives): a descriptor for writing (name with suffix: "pages-1.img"). */
int image_raw_create(struct image *img, const char *name);
/*
 * The raw file @name holds @size bytes whose XXH3-128 the writer has in @state: image_commit() need not
 * read it again.
 */
struct XXH3_state_s;
int image_raw_summed(struct image *img, const char *name, const struct XXH3_state_s *state, uint64_t size);
/* Its descriptor for reading, after image_open(); -ENOENT if the inventory has none. */
int image_raw_open(struct image *img, const char *name);
/* @name with or without ".img". */
bool image_has(const struct image *img, const char *name);
