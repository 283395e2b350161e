/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Images of namespaces and cgroups that lie: each is refused when it is loaded, before anything is made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/log.h"
#include "cgroup/cgroup.h"
#include "image/image.h"
#include "ns/ns.h"
#include "proto/cgroup.pb-c.h"
#include "proto/ns.pb-c.h"

struct world {
	char dir[64];
	struct options opt;
	struct restore r;
	TaskEntry task;
	uint32_t ids[NS_KINDS];
	struct rtask rtask;
};

static void begin(struct world *w, const char *name, const ProtobufCMessage *const *msgs, size_t n)
{
	struct image *img;

	memset(w, 0, sizeof(*w));
	strcpy(w->dir, "/tmp/ctcr-nscg.XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	assert_int_equal(image_create(w->dir, &img), 0);
	assert_int_equal(image_write(img, name, msgs, n), 0);
	assert_int_equal(image_commit(img), 0);
	image_free(img);
	assert_int_equal(image_open(w->dir, &w->r.img), 0);
	task_entry__init(&w->task);
	w->task.id = 1;
	w->task.ns_ids = w->ids;
	w->task.n_ns_ids = NS_KINDS;
	w->rtask.msg = &w->task;
	w->r.opt = &w->opt;
	w->r.tasks = &w->rtask;
	w->r.n_tasks = 1;
}

static void end(struct world *w)
{
	char cmd[128];

	ns_restore_done(&w->r);
	cgroup_restore_done(&w->r);
	image_free(w->r.img);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", w->dir);
	assert_int_equal(system(cmd), 0);
}

/* A uts and a user namespace of one task, good as they stand. */
struct two_ns {
	UserNsEntry user;
	UtsNsEntry uts;
	IdMapEntry map, *maps[1];
	NsEntry e[2];
};

static void make_ns(struct two_ns *t)
{
	char *name = (char *)"host";

	*t = (struct two_ns){ .user = USER_NS_ENTRY__INIT,
			      .uts = UTS_NS_ENTRY__INIT,
			      .map = ID_MAP_ENTRY__INIT };
	t->map.count = 65536;
	t->map.lower = 100000;
	t->maps[0] = &t->map;
	t->user.uids = t->user.gids = t->maps;
	t->user.n_uids = t->user.n_gids = 1;
	t->uts.nodename = t->uts.domainname = name;
	for (int i = 0; i < 2; i++) {
		ns_entry__init(&t->e[i]);
		t->e[i].id = i + 1;
		t->e[i].task_id = 1;
	}
	t->e[0].kind = NS_USER;
	t->e[0].user = &t->user;
	t->e[1].kind = NS_UTS;
	t->e[1].uts = &t->uts;
	t->e[1].has_owner_id = true;
	t->e[1].owner_id = 1;
}

static int load_ns(struct two_ns *t)
{
	const ProtobufCMessage *msgs[2] = { &t->e[0].base, &t->e[1].base };
	struct world w;
	int ret;

	begin(&w, "ns", msgs, 2);
	w.ids[NS_USER] = 1;
	w.ids[NS_UTS] = 2;
	ret = ns_load(&w.r);
	if (!ret)
		assert_int_equal(ns_clone_flags(&w.r, &w.rtask), ns_flags[NS_USER] | ns_flags[NS_UTS]);
	end(&w);
	return ret;
}

static void namespaces(void **state)
{
	struct two_ns t;
	char longname[80];

	make_ns(&t);
	assert_int_equal(load_ns(&t), 0);
	t.e[1].id = 3;
	assert_int_equal(load_ns(&t), -EBADMSG);
	make_ns(&t);
	t.e[1].kind = NS_KINDS;
	assert_int_equal(load_ns(&t), -EBADMSG);
	make_ns(&t);
	t.e[1].owner_id = 2; /* a uts namespace owns nothing */
	assert_int_equal(load_ns(&t), -EBADMSG);
	make_ns(&t);
	t.e[1].owner_id = 3;
	assert_int_equal(load_ns(&t), -EBADMSG);
	make_ns(&t);
	t.e[0].has_parent_id = true;
	t.e[0].parent_id = 1; /* its own parent */
	assert_int_equal(load_ns(&t), -EBADMSG);
	make_ns(&t);
	t.e[1].task_id = 2;
	assert_int_equal(load_ns(&t), -EBADMSG);
	make_ns(&t);
	t.e[1].uts = NULL;
	assert_int_equal(load_ns(&t), -EBADMSG);
	make_ns(&t);
	t.map.count = 0;
	assert_int_equal(load_ns(&t), -EBADMSG);
	make_ns(&t);
	memset(longname, 'a', sizeof(longname));
	longname[sizeof(longname) - 1] = 0;
	t.uts.nodename = longname;
	assert_int_equal(load_ns(&t), -EBADMSG);
}

struct cg {
	CgroupPropEntry prop, *props[1];
	CgroupFileEntry file, *files[1];
	CgroupXattrEntry xattr, *xattrs[1];
	CgroupDirEntry dir[2], *dirs[2];
	CgroupHierEntry hier, *hiers[1];
	CgroupSetEntry set, *sets[1];
	CgroupEntry msg;
	char *paths[1];
};

static void make_cg(struct cg *c)
{
	memset(c, 0, sizeof(*c));
	cgroup_prop_entry__init(&c->prop);
	cgroup_file_entry__init(&c->file);
	cgroup_xattr_entry__init(&c->xattr);
	cgroup_dir_entry__init(&c->dir[0]);
	cgroup_dir_entry__init(&c->dir[1]);
	cgroup_hier_entry__init(&c->hier);
	cgroup_set_entry__init(&c->set);
	cgroup_entry__init(&c->msg);
	c->prop.name = (char *)"pids.max";
	c->prop.value = (char *)"9";
	c->file.name = (char *)"cgroup.procs";
	c->xattr.name = (char *)"user.a";
	c->props[0] = &c->prop;
	c->files[0] = &c->file;
	c->xattrs[0] = &c->xattr;
	c->dir[0].path = (char *)"";
	c->dir[1].path = (char *)"/init.scope";
	c->dir[1].props = c->props;
	c->dir[1].files = c->files;
	c->dir[1].xattrs = c->xattrs;
	c->dir[1].n_props = c->dir[1].n_files = c->dir[1].n_xattrs = 1;
	c->dirs[0] = &c->dir[0];
	c->dirs[1] = &c->dir[1];
	c->hier.controllers = (char *)"pids";
	c->hier.root = (char *)"/ctcr-unit";
	c->hier.dirs = c->dirs;
	c->hier.n_dirs = 2;
	c->hiers[0] = &c->hier;
	c->paths[0] = (char *)"/init.scope";
	c->set.id = 1;
	c->set.paths = c->paths;
	c->set.n_paths = 1;
	c->sets[0] = &c->set;
	c->msg.hiers = c->hiers;
	c->msg.sets = c->sets;
	c->msg.n_hiers = c->msg.n_sets = 1;
}

static int load_cg(struct cg *c)
{
	const ProtobufCMessage *msg = &c->msg.base;
	struct world w;
	int ret;

	begin(&w, "cgroups", &msg, 1);
	ret = cgroup_load(&w.r);
	end(&w);
	return ret;
}

/* One field of a good image made bad. */
#define BAD(field, value)                                \
	do {                                             \
		make_cg(&c);                             \
		c.field = (value);                       \
		assert_int_equal(load_cg(&c), -EBADMSG); \
	} while (0)

static void cgroups(void **state)
{
	struct cg c;

	make_cg(&c);
	assert_int_equal(load_cg(&c), 0);
	BAD(hier.root, (char *)"/");
	BAD(hier.root, (char *)"/a/../..");
	BAD(hier.root, (char *)"relative");
	BAD(dir[1].path, (char *)"/../../x");
	BAD(dir[1].path, (char *)"/");
	BAD(dir[0].path, (char *)"/first");
	BAD(prop.name, (char *)"../../../cgroup.procs");
	BAD(prop.name, (char *)"memory.limit_in_byte");
	BAD(file.name, (char *)"../tasks");
	BAD(file.name, (char *)"..");
	BAD(xattr.name, (char *)"security.capability");
	BAD(paths[0], (char *)"/elsewhere");
	BAD(set.id, 2);
	BAD(set.n_paths, 0);
	BAD(hier.n_dirs, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(namespaces), cmocka_unit_test(cgroups) };

	log_quiet(true);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
