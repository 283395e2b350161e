/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Images as JSON by the descriptors of their messages, and `ctcr verify`. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/io.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "image/image.h"

static void show_message(const ProtobufCMessage *msg, int depth, FILE *out);

static void indent(int depth, FILE *out)
{
	fprintf(out, "\n%*s", depth * 2, "");
}

/* Bytes that are not ASCII are shown as the Latin-1 character of their number. */
static void show_string(const char *s, FILE *out)
{
	putc('"', out);
	for (; s && *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c < 0x20 || c >= 0x7f)
			fprintf(out, "\\u%04x", c);
		else
			putc(c, out);
	}
	putc('"', out);
}

static void show_bytes(const ProtobufCBinaryData *b, FILE *out)
{
	putc('"', out);
	for (size_t i = 0; i < b->len; i++)
		fprintf(out, "%02x", b->data[i]);
	putc('"', out);
}

static void show_enum(const ProtobufCEnumDescriptor *desc, int value, FILE *out)
{
	const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value(desc, value);

	if (v)
		fprintf(out, "\"%s\"", v->name);
	else
		fprintf(out, "%d", value);
}

static void show_double(double v, FILE *out)
{
	if (isfinite(v))
		fprintf(out, "%.17g", v);
	else
		fputs("null", out);
}

static void show_number(ProtobufCType type, const void *p, FILE *out)
{
	switch (type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
		fprintf(out, "%" PRId32, *(const int32_t *)p);
		break;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		fprintf(out, "%" PRId64, *(const int64_t *)p);
		break;
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		fprintf(out, "%" PRIu32, *(const uint32_t *)p);
		break;
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		fprintf(out, "%" PRIu64, *(const uint64_t *)p);
		break;
	case PROTOBUF_C_TYPE_FLOAT:
		show_double((double)*(const float *)p, out);
		break;
	case PROTOBUF_C_TYPE_DOUBLE:
		show_double(*(const double *)p, out);
		break;
	default:
		fputs("null", out);
	}
}

static void show_value(const ProtobufCFieldDescriptor *f, const void *p, int depth, FILE *out)
{
	if (f->type == PROTOBUF_C_TYPE_MESSAGE)
		show_message(*(ProtobufCMessage *const *)p, depth, out);
	else if (f->type == PROTOBUF_C_TYPE_STRING)
		show_string(*(char *const *)p, out);
	else if (f->type == PROTOBUF_C_TYPE_BYTES)
		show_bytes(p, out);
	else if (f->type == PROTOBUF_C_TYPE_BOOL)
		fputs(*(const protobuf_c_boolean *)p ? "true" : "false", out);
	else if (f->type == PROTOBUF_C_TYPE_ENUM)
		show_enum(f->descriptor, *(const int *)p, out);
	else
		show_number(f->type, p, out);
}

static size_t value_size(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_MESSAGE:
	case PROTOBUF_C_TYPE_STRING:
		return sizeof(void *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return 8;
	default:
		return 4;
	}
}

static bool is_set(const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *f)
{
	const char *base = (const char *)msg;

	if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		return *(const uint32_t *)(base + f->quantifier_offset) == f->id;
	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		return *(const size_t *)(base + f->quantifier_offset) > 0;
	if (f->label == PROTOBUF_C_LABEL_REQUIRED)
		return true;
	if (f->type == PROTOBUF_C_TYPE_MESSAGE || f->type == PROTOBUF_C_TYPE_STRING)
		return *(void *const *)(base + f->offset) != NULL;
	return *(const protobuf_c_boolean *)(base + f->quantifier_offset);
}

static void show_list(const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *f, int depth, FILE *out)
{
	const char *base = (const char *)msg, *p = *(const char *const *)(base + f->offset);
	size_t n = *(const size_t *)(base + f->quantifier_offset), size = value_size(f->type);

	putc('[', out);
	for (size_t i = 0; i < n; i++) {
		if (i)
			fputs(f->type == PROTOBUF_C_TYPE_MESSAGE ? "," : ", ", out);
		if (f->type == PROTOBUF_C_TYPE_MESSAGE)
			indent(depth + 1, out);
		show_value(f, p + i * size, depth + 1, out);
	}
	putc(']', out);
}

static void show_message(const ProtobufCMessage *msg, int depth, FILE *out)
{
	const ProtobufCMessageDescriptor *desc = msg->descriptor;
	bool first = true;

	putc('{', out);
	for (unsigned int i = 0; i < desc->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &desc->fields[i];

		if (!is_set(msg, f))
			continue;
		if (!first)
			putc(',', out);
		first = false;
		indent(depth + 1, out);
		fprintf(out, "\"%s\": ", f->name);
		if (f->label == PROTOBUF_C_LABEL_REPEATED)
			show_list(msg, f, depth + 1, out);
		else
			show_value(f, (const char *)msg + f->offset, depth + 1, out);
	}
	if (!first)
		indent(depth, out);
	putc('}', out);
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
		indent(depth + 1, out);
		show_message(list[i], depth + 1, out);
	}
	indent(depth, out);
	putc(']', out);
	image_messages_free(list, n);
	return 0;
}

static int show_all(struct image *img, FILE *out)
{
	const InventoryEntry *inv = image_inventory(img);
	int err = 0;

	fputs("{\n  \"inventory.img\": ", out);
	show_message(&inv->base, 1, out);
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
		show_message(&inv->base, 0, out);
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
