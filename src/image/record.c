/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files of records: header, then u32 length and packed message, again and again. Summed while written. */
#include <endian.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "image/internal.h"

#define FLUSH_AT (256UL << 10)

struct image_file {
	struct image *img;
	char *name; /* with suffix */
	int fd;
	int err; /* the first one */
	struct strbuf buf;
	uint64_t size;
	XXH3_state_t *sum;
	const char *type; /* of the first record */
};

size_t image_header(void *buf, const char *name)
{
	uint8_t *p = buf;
	uint32_t v = htole32(IMAGE_FORMAT), n = strlen(name), len = htole32(n);

	memcpy(p, IMAGE_MAGIC, 4);
	memcpy(p + 4, &v, 4);
	memcpy(p + 8, &len, 4);
	memcpy(p + 12, name, n);
	return 12 + n;
}

int image_header_check(const void *buf, size_t len, const char *name)
{
	char want[IMAGE_HEADER_MAX];
	size_t n = image_header(want, name);

	if (len < n || memcmp(buf, want, n) != 0)
		return -EBADMSG;
	return (int)n;
}

void image_stem(char *buf, const char *file)
{
	size_t n = strlen(file);

	if (n > 4 && streq(file + n - 4, ".img"))
		n -= 4;
	memcpy(buf, file, n);
	buf[n] = 0;
}

static int file_flush(struct image_file *f)
{
	if (f->err < 0 || !f->buf.len)
		return f->err;
	XXH3_128bits_update(f->sum, f->buf.buf, f->buf.len);
	f->size += f->buf.len;
	f->err = write_all(f->fd, f->buf.buf, f->buf.len);
	f->buf.len = 0;
	if (f->err < 0)
		log_errno(f->err, "%s/%s: write", f->img->path, f->name);
	return f->err;
}

static void file_free(struct image_file *f)
{
	close_fd(&f->fd);
	XXH3_freeState(f->sum);
	strbuf_done(&f->buf);
	free(f->name);
	free(f);
}

static int file_begin(struct image_file *f, const char *name)
{
	char header[IMAGE_HEADER_MAX];
	int err;

	f->name = xasprintf("%s.img", name);
	f->sum = XXH3_createState();
	if (!f->name || !f->sum)
		return log_oom();
	XXH3_128bits_reset(f->sum);
	f->fd = image_member_create(f->img, f->name);
	if (f->fd < 0)
		return f->fd;
	err = strbuf_add(&f->buf, header, image_header(header, name));
	return err < 0 ? log_oom() : 0;
}

int image_file_create(struct image *img, const char *name, struct image_file **ret)
{
	struct image_file *f = calloc(1, sizeof(*f));
	int err;

	if (!f)
		return log_oom();
	f->img = img;
	f->fd = -1;
	err = file_begin(f, name);
	if (err < 0) {
		file_free(f);
		return err;
	}
	*ret = f;
	return 0;
}

int image_file_write(struct image_file *f, const ProtobufCMessage *msg)
{
	size_t size = protobuf_c_message_get_packed_size(msg);
	uint32_t len = htole32((uint32_t)size);

	if (f->err < 0)
		return f->err;
	if (size > INT32_MAX)
		f->err = log_errno(-EFBIG, "%s/%s: one record of %zu bytes", f->img->path, f->name, size);
	else if (strbuf_reserve(&f->buf, size + sizeof(len)) < 0)
		f->err = log_oom();
	if (f->err < 0)
		return f->err;
	if (!f->type)
		f->type = msg->descriptor->name;
	memcpy(f->buf.buf + f->buf.len, &len, sizeof(len));
	protobuf_c_message_pack(msg, (uint8_t *)f->buf.buf + f->buf.len + sizeof(len));
	f->buf.len += sizeof(len) + size;
	return f->buf.len >= FLUSH_AT ? file_flush(f) : 0;
}

int image_file_close(struct image_file *f)
{
	struct image_member *m = image_find(f->img, f->name);
	int err = file_flush(f);

	if (err >= 0) {
		image_sum_done(f->sum, m->sum);
		m->size = f->size;
		m->summed = true;
		m->type = f->type;
	}
	file_free(f);
	return err;
}

int image_write(struct image *img, const char *name, const ProtobufCMessage *const *msgs, size_t n)
{
	struct image_file *f;
	int err = image_file_create(img, name, &f);

	if (err < 0)
		return err;
	for (size_t i = 0; i < n && err >= 0; i++)
		err = image_file_write(f, msgs[i]);
	return image_file_close(f);
}

int image_write_one(struct image *img, const char *name, const ProtobufCMessage *msg)
{
	return image_write(img, name, &msg, 1);
}

/* Reading. */

struct reader {
	FILE *in;
	uint64_t left; /* bytes of the file not yet read */
	const char *dir, *file;
};

static void reader_done(struct reader *r)
{
	if (r->in)
		fclose(r->in);
}

static int reader_bytes(struct reader *r, void *buf, size_t len)
{
	if (len > r->left || fread(buf, 1, len, r->in) != len) {
		log_error("%s/%s: a record of %zu bytes does not fit into the %llu that are left; the image "
			  "is damaged",
			  r->dir, r->file, len, (unsigned long long)r->left);
		return -EBADMSG;
	}
	r->left -= len;
	return 0;
}

static int reader_open(struct image *img, const char *file, struct reader *r)
{
	char header[IMAGE_HEADER_MAX], stem[IMAGE_NAME_MAX + 1];
	size_t want;
	struct stat st;
	int fd = image_raw_open(img, file);

	if (fd < 0)
		return fd;
	*r = (struct reader){ .in = fdopen(fd, "r"), .dir = img->path, .file = file };
	if (!r->in || fstat(fd, &st) < 0) {
		close(fd);
		r->in = NULL;
		return log_oom();
	}
	r->left = st.st_size;
	image_stem(stem, file);
	want = image_header(header, stem);
	if (reader_bytes(r, header, want) < 0)
		return -EBADMSG;
	if (image_header_check(header, want, stem) < 0) {
		log_error("%s/%s: not a file of this kind, or of another format than %d", img->path, file,
			  IMAGE_FORMAT);
		return -EBADMSG;
	}
	return 0;
}

static bool known_field(const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *f);

/* A field this ctcr does not know is state it would lose. */
static bool all_known(const ProtobufCMessage *msg)
{
	for (unsigned int i = 0; i < msg->descriptor->n_fields; i++)
		if (!known_field(msg, &msg->descriptor->fields[i]))
			return false;
	return !msg->n_unknown_fields;
}

static bool known_field(const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *f)
{
	const char *at = (const char *)msg + f->offset, *count = (const char *)msg + f->quantifier_offset;
	const ProtobufCMessage *sub;

	if (f->type != PROTOBUF_C_TYPE_MESSAGE)
		return true;
	if (f->label == PROTOBUF_C_LABEL_REPEATED) {
		for (size_t i = 0; i < *(const size_t *)count; i++)
			if (!all_known((*(ProtobufCMessage *const *const *)at)[i]))
				return false;
		return true;
	}
	if ((f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) && *(const uint32_t *)count != f->id)
		return true;
	sub = *(const ProtobufCMessage *const *)at;
	return !sub || all_known(sub);
}

static int reader_next(struct reader *r, const ProtobufCMessageDescriptor *desc, ProtobufCMessage **ret)
{
	_cleanup_free_ uint8_t *buf = NULL;
	ProtobufCMessage *msg;
	uint32_t len;
	int err = reader_bytes(r, &len, sizeof(len));

	if (err < 0)
		return err;
	len = le32toh(len);
	if (len > r->left) {
		log_error("%s/%s: a record of %u bytes, %llu are left; the image is damaged", r->dir, r->file,
			  len, (unsigned long long)r->left);
		return -EBADMSG;
	}
	buf = malloc(len + 1);
	if (!buf)
		return log_oom();
	err = reader_bytes(r, buf, len);
	if (err < 0)
		return err;
	msg = protobuf_c_message_unpack(desc, NULL, len, buf);
	if (!msg) {
		log_error("%s/%s: a record is no %s; the image is damaged", r->dir, r->file, desc->name);
		return -EBADMSG;
	}
	if (!all_known(msg)) {
		log_error("%s/%s: a record has fields this ctcr does not know; use the one that wrote it",
			  r->dir, r->file);
		protobuf_c_message_free_unpacked(msg, NULL);
		return -EBADMSG;
	}
	*ret = msg;
	return 0;
}

int image_read(struct image *img, const char *name, const ProtobufCMessageDescriptor *desc,
	       ProtobufCMessage ***ret, size_t *ret_n)
{
	_cleanup_(reader_done) struct reader r = { 0 };
	_cleanup_free_ char *file = xasprintf("%s.img", name);
	ProtobufCMessage **list = NULL;
	size_t n = 0;
	int err = 0;

	if (!file)
		return log_oom();
	if (image_find(img, file))
		err = reader_open(img, file, &r);
	while (err >= 0 && r.left > 0) {
		if (GROW(list, n))
			err = reader_next(&r, desc, &list[n]);
		else
			err = log_oom();
		if (err >= 0)
			n++;
	}
	if (err < 0) {
		image_messages_free(list, n);
		return err;
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

int image_read_one(struct image *img, const char *name, const ProtobufCMessageDescriptor *desc,
		   ProtobufCMessage **ret)
{
	ProtobufCMessage **list;
	size_t n;
	int err = image_read(img, name, desc, &list, &n);

	if (err < 0)
		return err;
	if (n != 1) {
		log_error("%s/%s.img: %zu records, not one", img->path, name, n);
		image_messages_free(list, n);
		return -EBADMSG;
	}
	*ret = list[0];
	free(list);
	return 0;
}

void image_messages_free(ProtobufCMessage **msgs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		protobuf_c_message_free_unpacked(msgs[i], NULL);
	free(msgs);
}
