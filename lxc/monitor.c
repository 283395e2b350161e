/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lxc/monitor.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "base/io.h"

enum command {
	CMD_GET_STATE = 3,
	CMD_GET_INIT_PID = 4,
	CMD_GET_CGROUP = 6,
	CMD_GET_CONFIG_ITEM = 7,
	CMD_GET_LIMIT_CGROUP = 19
};

#define MAX_DATA (1 << 20)
#define TIMEOUT_SECONDS 10

/* As they go over the socket; `data` is a small result itself or means nothing. */
struct request {
	int32_t command;
	int32_t len;
	uint64_t data;
};

struct response {
	int32_t ret;
	int32_t len;
	uint64_t data;
};

static uint64_t fnv_64a(const char *s)
{
	uint64_t hash = 0xcbf29ce484222325ULL;

	for (; *s; s++) {
		hash ^= (unsigned char)*s;
		hash *= 0x100000001b3ULL;
	}
	return hash;
}

/* A name too long for a socket address is replaced by its hash, as LXC does. */
static int socket_address(const char *lxcpath, const char *name, struct sockaddr_un *sa, socklen_t *ret_len)
{
	_cleanup_free_ char *full = xasprintf("%s/%s", lxcpath, name);
	size_t room = sizeof(sa->sun_path) - 1;
	int n;

	if (!full)
		return -ENOMEM;
	*sa = (struct sockaddr_un){ .sun_family = AF_UNIX };
	n = snprintf(sa->sun_path + 1, room, "%s/command", full);
	if ((size_t)n >= room)
		n = snprintf(sa->sun_path + 1, room, "lxc/%016llx/command",
			     (unsigned long long)fnv_64a(full));
	*ret_len = offsetof(struct sockaddr_un, sun_path) + 1 + n;
	return 0;
}

static int monitor_connect(const char *lxcpath, const char *name)
{
	_cleanup_close_ int sk = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct timeval limit = { .tv_sec = TIMEOUT_SECONDS };
	struct sockaddr_un sa;
	socklen_t len;
	int ret;

	if (sk < 0)
		return -errno;
	ret = socket_address(lxcpath, name, &sa, &len);
	if (ret < 0)
		return ret;
	if (setsockopt(sk, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) ||
	    connect(sk, (struct sockaddr *)&sa, len))
		return -errno;
	return take_fd(&sk);
}

static int peer_uid(int sk, uid_t *ret)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(sk, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		return -errno;
	*ret = cred.uid;
	return 0;
}

/* The monitor answers only who shows credentials. */
static int send_request(int sk, const struct request *req, const char *data)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(struct ucred))];
	} control = { 0 };
	struct iovec iov = { (void *)req, sizeof(*req) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.buf,
			      .msg_controllen = sizeof(control.buf) };
	struct ucred cred = { .pid = getpid(), .uid = getuid(), .gid = getgid() };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_CREDENTIALS;
	c->cmsg_len = CMSG_LEN(sizeof(cred));
	memcpy(CMSG_DATA(c), &cred, sizeof(cred));
	if (sendmsg(sk, &msg, MSG_NOSIGNAL) != sizeof(*req))
		return -EIO;
	if (req->len && send(sk, data, req->len, MSG_NOSIGNAL) != req->len)
		return -EIO;
	return 0;
}

static int ask(int sk, enum command command, const char *arg, struct response *ret, char **ret_data)
{
	struct request req = { .command = command, .len = arg ? (int32_t)strlen(arg) + 1 : 0 };
	_cleanup_free_ char *data = NULL;
	struct response rsp;
	uid_t uid = (uid_t)-1;
	int res = peer_uid(sk, &uid);

	if (res < 0)
		return res;
	if (uid != geteuid())
		return -EPERM;
	res = send_request(sk, &req, arg);
	if (!res)
		res = read_all(sk, &rsp, sizeof(rsp));
	if (res < 0)
		return res;
	if (rsp.ret < 0)
		return rsp.ret == -1 ? -ENOENT : rsp.ret;
	if (rsp.len < 0 || rsp.len > MAX_DATA)
		return -EPROTO;
	data = calloc(1, rsp.len + 1);
	if (!data)
		return -ENOMEM;
	res = read_all(sk, data, rsp.len);
	if (res < 0)
		return res;
	*ret = rsp;
	if (ret_data)
		*ret_data = TAKE_PTR(data);
	return 0;
}

int lxc_monitor_init_pid(const char *lxcpath, const char *name, pid_t *ret)
{
	_cleanup_close_ int sk = monitor_connect(lxcpath, name);
	struct response rsp;
	int res = sk < 0 ? sk : ask(sk, CMD_GET_INIT_PID, NULL, &rsp, NULL);

	if (res < 0)
		return res;
	if ((int64_t)rsp.data <= 0 || rsp.data > INT32_MAX)
		return -ESRCH;
	*ret = (pid_t)rsp.data;
	return 0;
}

int lxc_monitor_state(const char *lxcpath, const char *name, enum lxc_state *ret)
{
	_cleanup_close_ int sk = monitor_connect(lxcpath, name);
	struct response rsp;
	int res = sk < 0 ? sk : ask(sk, CMD_GET_STATE, NULL, &rsp, NULL);

	if (res < 0)
		return res;
	*ret = (enum lxc_state)rsp.data;
	return 0;
}

/* A text answer; an empty one is none. */
static int ask_text(const char *lxcpath, const char *name, enum command command, const char *arg, char **ret)
{
	_cleanup_close_ int sk = monitor_connect(lxcpath, name);
	_cleanup_free_ char *data = NULL;
	struct response rsp;
	int res = sk < 0 ? sk : ask(sk, command, arg, &rsp, &data);

	if (res < 0)
		return res;
	if (!*data)
		return -ENOENT;
	*ret = TAKE_PTR(data);
	return 0;
}

int lxc_monitor_config(const char *lxcpath, const char *name, const char *item, char **ret)
{
	return ask_text(lxcpath, name, CMD_GET_CONFIG_ITEM, item, ret);
}

int lxc_monitor_cgroup(const char *lxcpath, const char *name, const char *controller, char **ret)
{
	int res = ask_text(lxcpath, name, CMD_GET_LIMIT_CGROUP, controller, ret);

	return res < 0 ? ask_text(lxcpath, name, CMD_GET_CGROUP, controller, ret) : 0;
}

int lxc_monitor_uid(const char *lxcpath, const char *name, uid_t *ret)
{
	_cleanup_close_ int sk = monitor_connect(lxcpath, name);

	return sk < 0 ? sk : peer_uid(sk, ret);
}
