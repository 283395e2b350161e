/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the other ends of links go on restore: the host, or a namespace outside (outside.c), found by what
 * --veth-pair or --external say, else by what the image recorded. All are opened before anything is made, and
 * each once. What the other end had when it was dumped it gets back: it went with the container.
 */
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/vfs.h>

#include "base/io.h"
#include "base/log.h"
#include "base/netns.h"
#include "net/outside.h"
#include "net/route.h"

#define NETNS_DIR "/run/netns/"
#define FAR_MAX 4096 /* addresses, routes of one link */

/* One link in a place, as if it were a namespace of ours. */
struct far_end {
	struct rnet net;
	NetEntry msg; /* points into the OutsideEntry */
	uint32_t ns_id; /* of the link of ours */
	const LinkEntry *order[1];
	LinkEntry *link;
	const char *where; /* the place's */
};

OutsideEntry *outside_entry_of(const struct rnet *n, const LinkEntry *m)
{
	for (size_t i = 0; i < n->msg->n_outside; i++)
		if (n->msg->outside[i]->link == m->index)
			return n->msg->outside[i];
	return NULL;
}

int netns_open(const char *path)
{
	_cleanup_close_ int at = open(path, O_PATH | O_CLOEXEC), fd = -1;
	char self[64];
	struct statfs fs;

	if (at < 0)
		return -errno;
	if (fstatfs(at, &fs) < 0 || fs.f_type != NSFS_MAGIC)
		return -ENOTTY;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", at);
	fd = open(self, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return ioctl(fd, NS_GET_NSTYPE) == CLONE_NEWNET ? fd_high(take_fd(&fd)) : -ENOTTY;
}

static void place_free(struct place *p, int host_fd)
{
	if (!p)
		return;
	if (p->ns_fd != host_fd) {
		if (p->rt)
			rtnl_close(p->rt);
		free(p->rt);
		close_fd(&p->ns_fd);
	}
	free(p->text);
	free(p->key);
	free(p);
}

/* Takes @fd; the host's is shared. */
static int place_add(struct net_store *s, int fd, const char *key, const char *text, struct place **ret)
{
	struct place *p = calloc(1, sizeof(*p));
	int err = 0;

	if (!p) {
		if (fd != s->host_fd)
			close(fd);
		return -ENOMEM;
	}
	p->ns_fd = fd;
	p->key = strdup(key);
	p->text = strdup(text);
	p->rt = fd == s->host_fd ? &s->host : malloc(sizeof(*p->rt));
	if (p->rt && fd != s->host_fd) {
		p->rt->fd = -1;
		err = rtnl_open(fd, p->rt);
		if (err == 0 && rtnl_is_our_own(p->rt))
			err = -EXDEV;
	}
	if (!p->key || !p->text || !p->rt || !GROW(s->places, s->n_places))
		err = -ENOMEM;
	if (err < 0) {
		place_free(p, s->host_fd);
		return err;
	}
	s->places[s->n_places++] = p;
	*ret = p;
	return 0;
}

/* The text of what is asked for, the path it means, and how to speak of it. */
struct spec {
	char *key, *path, *text;
};

static void spec_done(struct spec *s)
{
	free(s->key);
	free(s->path);
	free(s->text);
}

static int spec_container(const struct options *o, const char *name, struct spec *s)
{
	pid_t pid;
	int ret = o->containers ? o->containers->init_pid(o, name, &pid) : -ESRCH;

	s->key = xasprintf("container=%s", name);
	s->text = xasprintf("in container %s", name);
	s->path = ret < 0 ? NULL : xasprintf("/proc/%d/ns/net", pid);
	return ret < 0 ? ret : s->key && s->text && s->path ? 0 : -ENOMEM;
}

static int spec_make(const struct options *o, const struct link_end *e, struct spec *s)
{
	if (e->where == END_CONTAINER)
		return spec_container(o, e->place, s);
	if (e->where == END_PID) {
		s->key = xasprintf("pid=%d", e->pid);
		s->path = xasprintf("/proc/%d/ns/net", e->pid);
		s->text = xasprintf("in the network namespace of pid %d", e->pid);
	} else {
		s->key = xasprintf("netns=%s", e->place);
		s->path = xasprintf("%s%s", e->place[0] == '/' ? "" : NETNS_DIR, e->place);
		s->text = xasprintf("in network namespace %s", e->place);
	}
	return s->key && s->path && s->text ? 0 : -ENOMEM;
}

static struct place *place_find(const struct net_store *s, const char *key)
{
	for (size_t i = 0; i < s->n_places; i++)
		if (streq(s->places[i]->key, key))
			return s->places[i];
	return NULL;
}

/* The option that says it otherwise; in @buf. */
static const char *hint(const LinkEntry *m, char *buf, size_t size)
{
	if (link_find(m->kind)->peer)
		snprintf(buf, size, "--veth-pair %s=", m->name);
	else
		snprintf(buf, size, "--external %s[%s]:LINK", m->kind, m->name);
	return buf;
}

static int complain(const LinkEntry *m, int err, const char *what)
{
	const char *why = err == -ENOTTY   ? "that is no network namespace"
			  : err == -EXDEV  ? "that is the host's own, which \"host\" would say"
			  : err == -ESRCH  ? "it is not running"
			  : err == -ENOENT ? "it is not there"
					   : strerror(-err);
	char buf[64];

	log_error("link %s (%s): %s is to be %s: %s; mend that, or give %s,netns=NAME (or container=NAME, "
		  "pid=N, host)",
		  m->name, m->kind, link_find(m->kind)->peer ? "its other end" : "the link below it", what,
		  why, hint(m, buf, sizeof(buf)));
	return err;
}

static int no_place(const LinkEntry *m)
{
	char buf[64];

	log_error("link %s (%s): %s was in a network namespace without a name; give %s,netns=NAME (or "
		  "container=NAME, pid=N, host)",
		  m->name, m->kind, link_find(m->kind)->peer ? "its other end" : "the link below it",
		  hint(m, buf, sizeof(buf)));
	return -EINVAL;
}

static int place_open(struct restore *r, const LinkEntry *m, const struct link_end *e, struct place **ret)
{
	_cleanup_(spec_done) struct spec s = { 0 };
	struct place *p;
	int err, fd;

	if (e->where == END_HOST) {
		p = place_find(r->net, "host");
		err = p ? 0 : place_add(r->net, r->net->host_fd, "host", "on the host", &p);
		if (err == 0)
			*ret = p;
		return err < 0 ? log_oom() : 0;
	}
	err = spec_make(r->opt, e, &s);
	p = s.key ? place_find(r->net, s.key) : NULL;
	if (p) {
		*ret = p;
		return 0;
	}
	if (err < 0)
		return complain(m, err, s.text ?: "somewhere");
	fd = netns_open(s.path);
	err = fd < 0 ? fd : place_add(r->net, fd, s.key, s.text, ret);
	return err < 0 ? complain(m, err, s.text) : 0;
}

static int place_recorded(struct restore *r, const LinkEntry *m, const OutsideEntry *o, struct place **ret)
{
	struct link_end e = { .where = END_HOST };

	if (!o || !m->peer || m->peer->ns_id != NS_OUTSIDE)
		return place_open(r, m, &e, ret);
	if (!o->netns && !o->container)
		return no_place(m);
	e.where = o->netns ? END_NETNS : END_CONTAINER;
	e.place = o->netns ?: o->container;
	return place_open(r, m, &e, ret);
}

static int take_name(char to[16], const char *from)
{
	if (!from || !from[0] || strlen(from) >= 16 || strchr(from, '/'))
		return -EINVAL;
	memcpy(to, from, strlen(from) + 1);
	return 0;
}

/* What the option says; nothing of it counts if LXC's configuration says it, and the end was outside. */
static int take_option(struct restore *r, const LinkEntry *m, const OutsideEntry *o, struct link_end *e)
{
	const struct external *x = options_find_external(r->opt, m->kind, m->name);
	const bool veth = link_find(m->kind)->peer;

	*e = (struct link_end){ 0 };
	if (!x || (x->weak && o && !strchr(x->value, ',')))
		return 0;
	if (link_end_parse(x->value, e) == 0)
		return 0;
	if (veth)
		log_error("link %s: --veth-pair %s=%s: names of 1 to 15 characters are needed, "
			  "[OUT][@BRIDGE][,WHERE]; WHERE is netns=NAME, container=NAME, pid=N or host",
			  m->name, m->name, x->value);
	else
		log_error("link %s: --external %s[%s]:%s: a name of 1 to 15 characters is needed, "
			  "LINK[,WHERE]; "
			  "WHERE is netns=NAME, container=NAME, pid=N or host",
			  m->name, m->kind, m->name, x->value);
	return -EINVAL;
}

static int no_name(const LinkEntry *m)
{
	if (link_find(m->kind)->peer)
		log_error("link %s: the name of its end on the host is not known; give --veth-pair "
			  "%s=HOSTEND[@BRIDGE]",
			  m->name, m->name);
	else
		log_error("link %s (%s): lies on a link of the host of unknown name; give --external "
			  "%s[%s]:LINK",
			  m->name, m->kind, m->kind, m->name);
	return -EINVAL;
}

int place_of(struct restore *r, struct rnet *n, const LinkEntry *m, struct wanted_end *ret)
{
	const bool outside = m->peer && m->peer->ns_id == NS_OUTSIDE;
	const OutsideEntry *o = outside ? outside_entry_of(n, m) : NULL;
	struct wanted_end w = { 0 };
	struct link_end e;
	int err = take_option(r, m, o, &e);

	if (err < 0)
		return err;
	memcpy(w.name, e.name, sizeof(w.name));
	memcpy(w.bridge, e.bridge, sizeof(w.bridge));
	if (!e.name[0] && (!m->peer || !m->peer->name))
		return no_name(m);
	if (!e.name[0])
		err = take_name(w.name, m->peer->name);
	if (err == 0 && !e.name[0] && !e.bridge[0] && m->peer->master)
		err = take_name(w.bridge, m->peer->master);
	if (err < 0)
		return log_errno(-EBADMSG, "image: link %s: names of its other end", m->name);
	err = e.where == END_UNSAID ? place_recorded(r, m, o, &w.place) : place_open(r, m, &e, &w.place);
	if (err == 0)
		*ret = w;
	return err;
}

static int check_one(const struct rnet *n, const OutsideEntry *o)
{
	const LinkEntry *m = link_entry(n->msg, o->link);
	NetEntry msg = NET_ENTRY__INIT;
	LinkEntry *end = o->end;
	int ret = 0;

	if (!m || !m->peer ||
	    (m->peer->ns_id != NS_OUTSIDE && (m->peer->ns_id || !end || o->netns || o->container)) ||
	    (o->netns && o->netns[0] != '/') || (o->container && !o->container[0]) || o->n_addrs > FAR_MAX ||
	    o->n_routes > FAR_MAX || o->n_neighbours > FAR_MAX || (!end && (o->n_addrs || o->n_routes))) {
		log_error("image: network namespace %u: the other end of link %u is damaged", n->msg->ns_id,
			  o->link);
		return -EBADMSG;
	}
	msg.ns_id = n->msg->ns_id;
	msg.links = &end;
	msg.n_links = end ? 1 : 0;
	if (end)
		ret = link_check(&msg, end);
	if (ret == 0 && end && !streq(end->kind, "veth"))
		ret = -EBADMSG;
	for (size_t i = 0; i < o->n_addrs && ret == 0; i++)
		ret = addr_check(&msg, o->addrs[i]);
	for (size_t i = 0; i < o->n_routes && ret == 0; i++)
		ret = o->routes[i].len <= ROUTE_RAW_MAX && route_only_by(&o->routes[i], end->index)
			      ? 0
			      : -EBADMSG;
	for (size_t i = 0; i < o->n_neighbours && ret == 0; i++)
		ret = o->neighbours[i].len >= sizeof(struct ndmsg) && o->neighbours[i].len <= ROUTE_RAW_MAX
			      ? 0
			      : -EBADMSG;
	return ret < 0 ? log_errno(ret, "image: link %s: its other end", m->name) : 0;
}

int outside_plan(struct rnet *n)
{
	int ret = 0;

	for (size_t i = 0; i < n->msg->n_outside && ret == 0; i++)
		ret = check_one(n, n->msg->outside[i]);
	return ret;
}

void place_keep_id(struct rnet *n, const struct place *p, const LinkEntry *m)
{
	const OutsideEntry *o = outside_entry_of(n, m);

	if (o && o->nsid >= 0)
		(void)nsid_set(&n->rt, p->ns_fd, o->nsid); /* it has one, or that one is taken */
}

/* The number the link has now, which may be another than it had. */
static void renumber(OutsideEntry *o, uint32_t index)
{
	o->end->index = index;
	for (size_t i = 0; i < o->n_addrs; i++)
		o->addrs[i]->index = index;
	for (size_t i = 0; i < o->n_routes; i++)
		route_set_oif(&o->routes[i], index);
	for (size_t i = 0; i < o->n_neighbours; i++)
		((struct ndmsg *)o->neighbours[i].data)->ndm_ifindex = (int)index;
}

static int far_add(struct net_store *s, struct rnet *n, OutsideEntry *o, const struct place *p,
		   struct far_end **ret)
{
	struct far_end *f = calloc(1, sizeof(*f));

	if (!f || !GROW(s->fars, s->n_fars)) {
		free(f);
		return log_oom();
	}
	s->fars[s->n_fars++] = f;
	net_entry__init(&f->msg);
	f->link = o->end;
	f->order[0] = o->end;
	f->msg.ns_id = f->ns_id = n->msg->ns_id;
	f->msg.links = &f->link;
	f->msg.n_links = 1;
	f->msg.addrs = o->addrs;
	f->msg.n_addrs = o->n_addrs;
	f->msg.routes = o->routes;
	f->msg.n_routes = o->n_routes;
	f->msg.neighbours = o->neighbours;
	f->msg.n_neighbours = o->n_neighbours;
	f->where = p->text;
	f->net = (struct rnet){ .msg = &f->msg, .ns_fd = p->ns_fd, .rt.fd = -1, .order = f->order };
	*ret = f;
	return rtnl_open(p->ns_fd, &f->net.rt);
}

/* On the host; only those that are known, and as numbers. */
static void set_sysctls(const OutsideEntry *o, const char *link)
{
	const char *name;

	for (size_t i = 0; (name = outside_sysctl(i)); i++)
		for (size_t j = 0; j < o->n_sysctls; j++) {
			const NetSysctlEntry *e = o->sysctls[j];
			char path[128], value[16] = { 0 };

			if (!streq(e->name, name) || e->value.len >= sizeof(value))
				continue;
			memcpy(value, e->value.data, e->value.len);
			if (strspn(value, "-0123456789\n") != e->value.len)
				continue;
			snprintf(path, sizeof(path), "/proc/sys/net/%.4s/conf/%s/%s", name, link, name + 5);
			if (write_text_at(AT_FDCWD, path, value) < 0)
				log_warn("%s: cannot be set to %s", path, value);
		}
}

int outside_made(struct restore *r, struct rnet *n, const LinkEntry *m, const struct wanted_end *w,
		 uint32_t index)
{
	OutsideEntry *o = outside_entry_of(n, m);
	struct far_end *f = NULL;
	int ret;

	if (!o || !o->end || (m->peer->ns_id == 0 && w->bridge[0]))
		return 0;
	if (w->place->ns_fd == r->net->host_fd)
		set_sysctls(o, w->name);
	renumber(o, index);
	ret = far_add(r->net, n, o, w->place, &f);
	free(o->end->name);
	o->end->name = strdup(w->name);
	if (!o->end->name)
		return log_oom();
	if (ret == 0)
		ret = link_set(&f->net, o->end);
	return ret < 0 ? ret : attrs_restore(&f->net, o->end);
}

int outside_config(struct restore *r, struct rnet *n)
{
	int ret = 0;

	for (size_t i = 0; i < r->net->n_fars && ret == 0; i++) {
		struct far_end *f = r->net->fars[i];
		_cleanup_close_ int sock = -1;

		if (f->ns_id != n->msg->ns_id)
			continue;
		sock = netns_socket(f->net.ns_fd, AF_INET, SOCK_DGRAM, 0);
		links_settle(&f->net, sock);
		ret = addrs_restore(&f->net);
		if (ret == 0)
			routes_try(&f->net, f->where);
		if (ret == 0)
			ret = neighbours_restore(&f->net);
	}
	return ret;
}

int outside_finish(struct restore *r)
{
	int ret = 0;

	for (size_t i = 0; i < r->net->n_fars && ret == 0; i++)
		ret = links_finish(&r->net->fars[i]->net, false);
	return ret;
}

void places_done(struct net_store *s)
{
	for (size_t i = 0; i < s->n_fars; i++) {
		rtnl_close(&s->fars[i]->net.rt);
		free(s->fars[i]);
	}
	for (size_t i = 0; i < s->n_places; i++)
		place_free(s->places[i], s->host_fd);
	free(s->fars);
	free(s->places);
}
