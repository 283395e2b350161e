/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sockets that cannot be restored, refused by the name of their family. */
#include <linux/mptcp.h>
#include <stdio.h>

#include "base/log.h"
#include "sock/kinds.h"
#include "sock/sk.h"

static const struct {
	int domain;
	const char *name;
} families[] = {
	{ AF_VSOCK, "vsock" },
	{ AF_BLUETOOTH, "bluetooth" },
	{ AF_ALG, "kernel crypto (AF_ALG)" },
	{ AF_XDP, "XDP" },
	{ AF_CAN, "CAN" },
	{ AF_TIPC, "TIPC" },
	{ AF_KEY, "IPsec key" },
	{ AF_RDS, "RDS" },
	{ AF_SMC, "SMC" },
	{ AF_QIPCRTR, "QRTR" },
	{ AF_PPPOX, "PPPoX" },
	{ AF_KCM, "KCM" },
};

static bool refused_match(const struct file_desc *f)
{
	return S_ISSOCK(f->st.st_mode) && !(f->flags & 010000000 /* O_PATH */);
}

static const char *describe(const struct file_desc *f, char buf[64])
{
	_cleanup_close_ int own = -1;
	int fd = sk_borrow(f, &own);
	int domain = sk_int(fd, SOL_SOCKET, SO_DOMAIN), protocol = sk_int(fd, SOL_SOCKET, SO_PROTOCOL);

	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		if (families[i].domain == domain)
			return families[i].name;
	if (protocol == IPPROTO_MPTCP)
		return "MPTCP";
	if (protocol == IPPROTO_SCTP)
		return "SCTP";
	snprintf(buf, 64, "family %d protocol %d", domain, protocol);
	return buf;
}

static int refused_survey(struct dump *d, const struct file_desc *f)
{
	char buf[64];

	return dump_obstacle(d, "%s: a %s socket cannot be restored; close it", file_desc_name(f),
			     describe(f, buf));
}

static int refused_dump(struct dump *d, const struct file_desc *f, FileEntry *msg)
{
	char buf[64];

	log_error("%s: a %s socket cannot be restored; close it", file_desc_name(f), describe(f, buf));
	return -EOPNOTSUPP;
}

const struct file_ops refused_sock_ops = {
	.name = "socket",
	.match = refused_match,
	.survey = refused_survey,
	.dump = refused_dump,
};
