/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a raw socket is connected to: getpeername(2) does not tell when no port was given, as there
 * is none. /proc/PID/net/raw and raw6 do.
 */
#include <stdio.h>

#include "base/io.h"
#include "base/log.h"
#include "base/parse.h"
#include "sock/inet.h"
#include "sock/sk.h"

/* "  253: 0100007F:00FD 0100007F:0000 01 00000000:00000000 00:00000000 00000000 0 0 INODE 2 ..." */
static bool parse_line(const char *line, ino_t ino, char hex[33])
{
	unsigned long inode;
	unsigned int state;

	return sscanf(line, " %*u: %*[^:]:%*x %32[0-9A-F]:%*x %x %*s %*s %*s %*u %*u %lu", hex, &state,
		      &inode) == 3 &&
	       inode == ino && state == 1;
}

/* Words of the address in our byte order. */
static int set_remote(uint32_t domain, const char *hex, ProtobufCBinaryData *ret)
{
	uint32_t words[4] = { 0 };
	size_t n = strlen(hex) / 8;
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };

	if (n != (domain == AF_INET ? 1 : 4))
		return -EBADMSG;
	for (size_t i = 0; i < n; i++)
		if (sscanf(hex + 8 * i, "%8x", &words[i]) != 1)
			return -EBADMSG;
	memcpy(&in.sin_addr, words, sizeof(in.sin_addr));
	memcpy(&in6.sin6_addr, words, sizeof(in6.sin6_addr));
	return domain == AF_INET ? sk_set_bytes(ret, &in, sizeof(in)) : sk_set_bytes(ret, &in6, sizeof(in6));
}

int inet_raw_remote(const struct file_desc *f, InetEntry *e)
{
	_cleanup_free_ char *text = NULL;
	char hex[33], *p, *line;
	int err = read_text_at(f->task->proc, e->sock->domain == AF_INET ? "net/raw" : "net/raw6", &text);

	if (err < 0)
		return log_errno(err, "%s: /proc/%d/net/raw", file_desc_name(f), f->task->pid);
	p = text;
	while ((line = next_line(&p))) {
		if (!parse_line(line, f->st.st_ino, hex))
			continue;
		err = set_remote(e->sock->domain, hex, &e->remote);
		e->has_remote = err == 0;
		return err;
	}
	return 0;
}
