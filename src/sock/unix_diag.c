/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unix sockets as sock_diag(7) shows them. */
#include <libmnl/libmnl.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <stdio.h>

#include "base/log.h"
#include "sock/unix.h"

void unix_info_done(struct unix_info *i)
{
	free(i->icons);
	i->icons = NULL;
}

size_t unix_name_len(const char *name, size_t len)
{
	return len && name[0] ? strnlen(name, len) : len;
}

const char *unix_name_text(const void *name, size_t len)
{
	static _Thread_local char ring[4][128];
	static _Thread_local unsigned int at;
	char *out = ring[at++ % 4];

	if (!len)
		return "(unnamed)";
	snprintf(out, sizeof(ring[0]), "%.*s", (int)len, (const char *)name);
	if (!out[0]) {
		snprintf(out, sizeof(ring[0]), "@%.*s", (int)len - 1, (const char *)name + 1);
	}
	return out;
}

static void parse_attr(struct unix_info *i, const struct nlattr *a)
{
	const void *p = mnl_attr_get_payload(a);
	size_t len = mnl_attr_get_payload_len(a);

	switch (mnl_attr_get_type(a)) {
	case UNIX_DIAG_NAME:
		i->name_len = unix_name_len(p, MIN(len, sizeof(i->name)));
		memcpy(i->name, p, i->name_len);
		break;
	case UNIX_DIAG_PEER:
		i->has_peer = true;
		i->peer = mnl_attr_get_u32(a);
		break;
	case UNIX_DIAG_RQLEN:
		i->rqueue = ((const struct unix_diag_rqlen *)p)->udiag_rqueue;
		i->wqueue = ((const struct unix_diag_rqlen *)p)->udiag_wqueue;
		break;
	case UNIX_DIAG_SHUTDOWN:
		i->shutdown = mnl_attr_get_u8(a);
		break;
	case UNIX_DIAG_ICONS:
		i->icons = malloc(len ? len : 1);
		if (i->icons) {
			memcpy(i->icons, p, len);
			i->n_icons = len / sizeof(uint32_t);
		}
		break;
	}
}

static int parse(const void *payload, size_t len, struct unix_info *i)
{
	const struct unix_diag_msg *m = payload;
	const struct nlattr *a = (const void *)(m + 1);

	if (len < sizeof(*m))
		return -EBADMSG;
	i->ino = m->udiag_ino;
	i->state = m->udiag_state;
	len -= sizeof(*m);
	while (mnl_attr_ok(a, len)) {
		parse_attr(i, a);
		len -= MIN(len, (size_t)MNL_ALIGN(a->nla_len));
		a = mnl_attr_next(a);
	}
	return 0;
}

static int take_one(void *arg, const void *payload, size_t len)
{
	unix_info_done(arg);
	memset(arg, 0, sizeof(struct unix_info));
	return parse(payload, len, arg);
}

int unix_info(struct dump *d, const struct file_desc *f, struct unix_info *ret)
{
	_cleanup_close_ int own = -1;
	struct unix_info i = { 0 };
	struct unix_diag_req req = {
		.sdiag_family = AF_UNIX,
		.udiag_ino = f->st.st_ino,
		.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER | UDIAG_SHOW_ICONS | UDIAG_SHOW_RQLEN,
		.udiag_cookie = { -1U, -1U },
	};
	int fd = sk_borrow(f, &own), err;

	if (fd < 0)
		return fd;
	err = sk_diag(d, fd, &req, sizeof(req), false, take_one, &i);
	if (err == 0 && i.ino != f->st.st_ino)
		err = -ENOENT;
	if (err < 0) {
		unix_info_done(&i);
		return err;
	}
	*ret = i;
	return 0;
}

struct search {
	bool (*fn)(const struct unix_info *i, const void *arg);
	const void *arg;
	struct unix_info found;
	bool done;
};

static int search_one(void *arg, const void *payload, size_t len)
{
	struct search *s = arg;
	struct unix_info i = { 0 };
	int err = parse(payload, len, &i);

	if (err == 0 && !s->done && s->fn(&i, s->arg)) {
		s->found = i;
		s->done = true;
		return 0;
	}
	unix_info_done(&i);
	return err;
}

int unix_find_listener(struct dump *d, const struct file_desc *f,
		       bool (*fn)(const struct unix_info *i, const void *arg), const void *arg,
		       struct unix_info *ret)
{
	_cleanup_close_ int own = -1;
	struct search s = { .fn = fn, .arg = arg };
	struct unix_diag_req req = {
		.sdiag_family = AF_UNIX,
		.udiag_states = 1 << UNIX_STATE_LISTEN,
		.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_ICONS | UDIAG_SHOW_RQLEN,
	};
	int fd = sk_borrow(f, &own), err;

	if (fd < 0)
		return fd;
	err = sk_diag(d, fd, &req, sizeof(req), true, search_one, &s);
	if (err < 0) {
		unix_info_done(&s.found);
		return err;
	}
	if (s.done)
		*ret = s.found;
	return s.done;
}
