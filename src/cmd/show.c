/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Images as JSON by the descriptors of their messages, and `ctcr verify`. */
#include <inttypes.h>
#include <stdio.h>

#include "base/io.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "image/image.h"

static void newline(int depth, FILE *out)
{
	fprintf(out, "\n%*s", depth * 2, "");
}

/* "files" of "files.img". */
static char *stem(const char *file)
{
	size_t n = strlen(file);

	return strndup(file, n > 4 && streq(file + n - 4, ".img") ? n - 4 : n);
}

/* The records of a file as a list; raw files as their size. */
static int show_file(struct image *img, const ImageFileEntry *e, int depth, FILE *out)
{
	const ProtobufCMessageDescriptor *desc = e->type ? image_type(e->type) : NULL;
	_cleanup_free_ char *name = stem(e->name);
	ProtobufCMessage **list;
	size_t n;
	int err;

	if (!desc) {
		fprintf(out, "{ \"size\": %" PRIu64 " }", e->size);
		return 0;
	}
	err = name ? image_read(img, name, desc, &list, &n) : log_oom();
	if (err < 0)
		return err;
	putc('[', out);
	for (size_t i = 0; i < n; i++) {
		if (i)
			putc(',', out);
		newline(depth + 1, out);
		image_json(list[i], depth + 1, out);
	}
	newline(depth, out);
	putc(']', out);
	image_messages_free(list, n);
	return 0;
}

static int show_all(struct image *img, FILE *out)
{
	const InventoryEntry *inv = image_inventory(img);
	int err = 0;

	fputs("{\n  \"inventory.img\": ", out);
	image_json(&inv->base, 1, out);
	for (size_t i = 0; i < inv->n_files && err >= 0; i++) {
		fprintf(out, ",\n  \"%s\": ", inv->files[i]->name);
		err = show_file(img, inv->files[i], 1, out);
	}
	fputs("\n}\n", out);
	return err;
}

static int show_one(struct image *img, const char *name, FILE *out)
{
	const InventoryEntry *inv = image_inventory(img);
	_cleanup_free_ char *want = stem(name);

	if (!want)
		return log_oom();
	if (streq(want, "inventory")) {
		image_json(&inv->base, 0, out);
		putc('\n', out);
		return 0;
	}
	for (size_t i = 0; i < inv->n_files; i++) {
		_cleanup_free_ char *have = stem(inv->files[i]->name);
		int err;

		if (!have || !streq(have, want))
			continue;
		err = show_file(img, inv->files[i], 0, out);
		putc('\n', out);
		return err;
	}
	log_error("%s: no file %s in this image", image_path(img), name);
	return -ENOENT;
}

int cmd_show(struct options *o, const struct option_rest *rest)
{
	struct image *img;
	int err = image_open(rest->args[0], &img);

	if (err < 0)
		return 1;
	err = rest->n > 1 ? show_one(img, rest->args[1], stdout) : show_all(img, stdout);
	image_free(img);
	if (fflush(stdout) != 0)
		err = log_errno(errno, "standard output");
	return err < 0;
}

int cmd_verify(struct options *o, const struct option_rest *rest)
{
	const InventoryEntry *inv;
	struct image *img;
	uint64_t size = 0;
	int err = image_open(rest->args[0], &img);

	if (err < 0)
		return 1;
	inv = image_inventory(img);
	for (size_t i = 0; i < inv->n_files && err >= 0; i++) {
		const ImageFileEntry *e = inv->files[i];
		const ProtobufCMessageDescriptor *desc = e->type ? image_type(e->type) : NULL;
		_cleanup_free_ char *name = stem(e->name);
		ProtobufCMessage **list;
		size_t n;

		size += e->size;
		if (!desc || !name)
			continue;
		err = image_read(img, name, desc, &list, &n);
		if (err >= 0)
			image_messages_free(list, n);
	}
	if (err >= 0)
		printf("%s: complete, %zu files, %" PRIu64 " bytes\n", image_path(img), inv->n_files, size);
	image_free(img);
	return err < 0;
}
