/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Weak stand-ins while parts land. */
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
