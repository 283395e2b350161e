/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages as JSON, by the descriptors of their types. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "image/image.h"

static void indent(int depth, FILE *out)
{
	fprintf(out, "\n%*s", depth * 2, "");
}

/* The length of the UTF-8 character at @s, 0 if there is none (overlong, surrogate, cut, too high). */
static size_t utf8_length(const unsigned char *s)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = *s < 0x80 ? 1 : *s >> 5 == 6 ? 2 : *s >> 4 == 14 ? 3 : *s >> 3 == 30 ? 4 : 0;
	uint32_t c = n == 1 ? *s : *s & (0x7f >> n);

	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	return c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? 0 : n;
}

/* Bytes that are no UTF-8 are shown as the Latin-1 characters of their numbers. */
static void show_string(const char *text, FILE *out)
{
	const unsigned char *s = (const unsigned char *)(text ?: "");

	putc('"', out);
	while (*s) {
		size_t n = utf8_length(s);

		if (*s == '"' || *s == '\\')
			fprintf(out, "\\%c", *s);
		else if (*s < 0x20 || *s == 0x7f || !n)
			fprintf(out, "\\u%04x", *s);
		else
			fwrite(s, 1, n, out);
		s += MAX(n, (size_t)1);
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
		image_json(*(ProtobufCMessage *const *)p, depth, out);
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

void image_json(const ProtobufCMessage *msg, int depth, FILE *out)
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
