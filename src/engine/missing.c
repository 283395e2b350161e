/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Weak stand-ins while parts land. */
#include "cgroup/cgroup.h"
#include "file/file.h"
#include "net/net.h"
#include "ns/ns.h"
#include "mnt/mnt.h"
#include "mem/mem.h"

#define W(ret, name, ...) ret name(__VA_ARGS__); __attribute__((weak)) ret name(__VA_ARGS__)
W(int, sock_release, struct dump *d) { return 0; }
W(int, sock_hold, struct dump *d) { return 0; }
W(int, net_survey, struct dump *d) { return 0; }
W(int, net_dump, struct dump *d) { return 0; }
W(int, net_lock_dump, struct dump *d, struct netlock **r) { return 0; }
W(int, net_lock_restore, struct restore *d, struct netlock **r) { return 0; }
W(void, net_unlock, struct netlock *r) { }
W(int, net_load, struct restore *r) { return 0; }
W(int, net_plan, struct restore *r) { return 0; }
W(int, net_restore_links, struct restore *r, struct rtask *t) { return 0; }
W(int, net_restore_config, struct restore *r, struct rtask *t) { return 0; }
W(int, net_finish, struct restore *r) { return 0; }
W(int, net_undo, struct restore *r) { return 0; }
W(void, net_restore_done, struct restore *r) { }
W(int, cgroup_survey, struct dump *r) { return 0; }
W(int, cgroup_dump, struct dump *r) { return 0; }
W(int, cgroup_id_of, struct dump *r, pid_t tid, uint32_t *id) { return 0; }
W(void, cgroup_dump_done, struct dump *r) { }
W(int, cgroup_load, struct restore *r) { return 0; }
W(int, cgroup_make, struct restore *r) { return 0; }
W(int, cgroup_place, struct restore *r, pid_t tid, uint32_t id) { return 0; }
W(int, cgroup_limits, struct restore *r) { return 0; }
W(int, cgroup_undo, struct restore *r) { return 0; }
W(void, cgroup_restore_done, struct restore *r) { }
