/* SPDX-License-Identifier: GPL-2.0-or-later */
/* inotify: the same watch numbers on the same files, no events of the restore's own making. */
#include "zdtm.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char buf[4096] __attribute__((aligned(8)));
	struct inotify_event *ev = (struct inotify_event *)buf;
	int fd, dir, file, gone, w;

	test_init(argc, argv);
	fd = inotify_init1(IN_NONBLOCK);
	if (mkdir("watched", 0700) < 0 || fd < 0)
		pfail("setup");
	w = open("watched/file", O_WRONLY | O_CREAT, 0600);
	for (int i = 0; i < 4; i++) { /* numbers with gaps */
		gone = inotify_add_watch(fd, "/", IN_ATTRIB);
		inotify_rm_watch(fd, gone);
	}
	dir = inotify_add_watch(fd, "watched", IN_CREATE | IN_DELETE | IN_ONLYDIR);
	gone = inotify_add_watch(fd, "/", IN_ATTRIB);
	inotify_rm_watch(fd, gone);
	file = inotify_add_watch(fd, "watched/file", IN_ALL_EVENTS);
	while (read(fd, buf, sizeof(buf)) > 0)
		;
	if (w < 0 || dir < 0 || file != dir + 2)
		pfail("watches %d %d", dir, file);
	test_daemon();
	test_waitsig();
	if (read(fd, buf, sizeof(buf)) != -1 || errno != EAGAIN)
		fail("event %x of the restore", ev->mask);
	if (close(open("watched/new", O_WRONLY | O_CREAT, 0600)) < 0 || read(fd, buf, sizeof(buf)) <= 0)
		fail("the directory is not watched");
	if (ev->wd != dir || ev->mask != IN_CREATE || strcmp(ev->name, "new"))
		fail("wd %d (%d) mask %x", ev->wd, dir, ev->mask);
	if (write(w, "x", 1) != 1 || read(fd, buf, sizeof(buf)) <= 0 || ev->wd != file ||
	    ev->mask != IN_MODIFY)
		fail("file: wd %d (%d) mask %x", ev->wd, file, ev->mask);
	if (inotify_add_watch(fd, "watched/new", IN_ATTRIB) <= file)
		fail("a new watch has an old number");
	unlink("watched/new");
	pass();
}
