/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Links by kind, and what the parts of net/ share: the namespace being dumped, the one being made.
 */
#pragma once

#include <linux/if_link.h>

#include "core/dump.h"
#include "core/restore.h"
#include "net/net.h"
#include "net/rtnl.h"
#include "netlock/netlock.h"
#include "proto/net.pb-c.h"

struct sysctl_reader;
struct outside_ns;
struct place;
struct far_end;

/* Newer than the headers of Debian 12. */
#define IFLA_GSO_IPV4_MAX_SIZE 63 /* since 6.3 */
#define IFLA_GRO_IPV4_MAX_SIZE 64
#define LINK_ATTR_MAX 64

/* The locks of a run; on dump also what is read beside other work. */
struct netlock {
	struct netlock_ns **v; /* dump: one of each namespace, NULL without a lock; restore: empty */
	struct sysctl_reader **sysctls; /* dump: as v */
	size_t n;
	struct net_store *store; /* restore: its namespaces have the locks */
	struct netlock_ns *shared; /* of the tree's connections in the coordinator's own namespace */
	struct netlock_conns conns; /* these; the first n_sorted are so */
	size_t n_sorted;
};

/* A namespace at dump time. */
struct net_dump {
	struct dump *d;
	const struct ns *ns;
	struct rtnl rt; /* inside it */
	struct rtnl host; /* in the coordinator's own */
	int host_fd;
	int ethtool, host_ethtool; /* sockets for SIOCETHTOOL, -1: none */
	NetEntry *msg;
	struct outside_ns *outs; /* those it has ids for, once they were looked for; outside.h */
	size_t n_outs;
	bool looked;
};

/* A namespace at restore time. */
struct rnet {
	NetEntry *msg;
	int ns_fd; /* -1 until it exists */
	struct rtnl rt; /* inside it; fd -1 until then */
	struct netlock_ns *lock;
	uint32_t n_waiting; /* ends of pairs that wait here for their namespace */
	const LinkEntry **order; /* links, each after what it lies on; n_links long */
	bool changed; /* by --ip: the kernel's own routes are not those of the image */
	bool linked, configured; /* links are there; everything is */
};

/* A link of ours in the host's namespace, or one outside. */
struct host_end {
	uint32_t index;
	char *name;
	struct place *place;
};

struct moved_addr { /* by --ip */
	uint32_t ns_id, index;
	int family;
	uint8_t old[16], new[16];
};

struct moved_in { /* a device of the host that was moved into a namespace */
	uint32_t index, host_index, mtu;
	char name[16]; /* on the host */
	uint8_t address[32];
	size_t address_len;
	bool up;
};

struct net_store {
	struct rnet *nets;
	size_t n_nets;
	struct rtnl host;
	int host_fd; /* the coordinator's namespace */
	struct host_end *ends; /* made by us: removed by net_undo() */
	size_t n_ends;
	int *in; /* sockets to the wardens of devices of the host (link_phys.c) */
	struct place **places; /* where other ends go, each once; outside.h */
	size_t n_places;
	struct far_end **fars; /* ends that get back what was recorded of them */
	size_t n_fars;
	size_t n_in;
	struct moved_addr *moved;
	size_t n_moved;
	bool lock; /* net_lock_restore() was asked to lock: namespaces made later too */
	struct netlock *handle; /* what it gave to the engine */
};

/* More are refused, by both directions. */
#define LINKS_MAX 32768

/* A RTM_NEWLINK message taken apart; points into it. */
struct link_info {
	const struct ifinfomsg *ifi;
	const struct nlattr *tb[LINK_ATTR_MAX + 1];
	const struct nlattr *info[IFLA_INFO_MAX + 1];
	const char *name;
	const char *kind; /* "lo", "phys" where the kernel names none */
};

/*
 * A kind of link. refuse: why it cannot be dumped ("it is ...; do ..."), NULL if it can. plan: refuse
 * before anything is made. make: create it inside @n, with its index and down; NULL: from info_data
 * as it was.
 */
struct link_ops {
	const char *kind;
	uint64_t computed; /* bits: attributes of info_data that are shown, and cannot be sent back */
	bool peer; /* IFLA_LINK is the other end, not a link that this one lies on */
	int (*put)(struct rtnl_req *q, const struct nlattr *a); /* send one of info_data back, edited */
	const char *(*refuse)(const struct link_info *l);
	int (*plan)(struct restore *r, struct rnet *n, const LinkEntry *m);
	int (*make)(struct restore *r, struct rnet *n, const LinkEntry *m);
};

extern const struct link_ops link_veth, link_phys, link_tun, link_bridge;

void phys_undo(struct restore *r); /* until devices of the host are given back, as they were */
void phys_finish(struct restore *r); /* the restore is through */
void phys_done(struct restore *r);
/* Does --external netdev[] say that @m is to be a device of the host? */
bool phys_given(const struct restore *r, const struct rnet *n, const LinkEntry *m);
/* The same of a dump: the device's name on the host, if one is given; NULL: it is not one. */
const char *phys_of_host(const struct dump *d, const struct ns *ns, const char *name);
/* The number of the character device of the macvtap link @name, @index in that namespace. */
int macvtap_device(int ns_fd, const char *name, uint32_t index, dev_t *ret);
const struct link_ops *link_find(const char *kind);
int link_parse(const struct nlmsghdr *h, struct link_info *ret);
/* Why it cannot be dumped, NULL if it can. */
const char *link_refuse(const struct link_info *l);
/* Is its other end, or the link it lies on, neither in the container nor on the host? After nsids_dump(). */
bool link_is_outside(const struct net_dump *n, const struct link_info *l);
/* A link as it is, without its peer and settings; malloc()ed. */
int link_read(const struct link_info *l, LinkEntry **ret);
/*
 * What @rt shows of the link p->index: name, address, mtu, bridge; settings by @ethtool (-1: none). @nsid: in
 * the namespace that has this id there, -1: in the same.
 */
int link_read_peer(struct rtnl *rt, int32_t nsid, int ethtool, PeerEntry *p);
/* Is a link of an image fit to be made? Logs. */
int link_check(const NetEntry *net, const LinkEntry *m);
/* The second pass of a link that is there: flags, alias, master, names. */
int link_set(struct rnet *n, const LinkEntry *m);
void links_settle(struct rnet *n, int sock); /* carriers noticed now */
/* Made by the kernel in every namespace when a module is there (tunl0, sit0 ...), and not in use. */
bool link_is_fallback(const struct link_info *l);

int links_dump(struct net_dump *n);
int links_plan(struct restore *r, struct rnet *n);
int links_make(struct restore *r, struct rnet *n);
int links_up(struct rnet *n);
int links_down(struct rtnl *rt); /* all but loopback */
/* The links by the age of the kernel's IPv6 route @prefix/@len of each; malloc()ed, NULL without memory. */
const LinkEntry **links_by_route(const struct rnet *n, const uint8_t *prefix, uint8_t len);
/* IPv6 address generation and token, by netlink. */
int link_set_inet6(struct rnet *n, const LinkEntry *m, uint8_t mode, bool token);
/*
 * IPv6 address generation back on, as it was, and spanning trees: when all namespaces are there, before
 * any socket could hear of it; @late: those of tun links, whose carrier comes with the descriptors.
 */
int links_finish(struct rnet *n, bool late);
bool link_is_late(const NetEntry *net, const LinkEntry *m);
const LinkEntry *link_entry(const NetEntry *m, uint32_t index);

/* The usual creation request begun: index, name, address, mtu, queue length, group. */
int link_begin(struct rtnl_req *q, const LinkEntry *m);
/* Nest kind and info_data under IFLA_LINKINFO, without what the kernel computes. */
int link_put_info(struct rtnl_req *q, const LinkEntry *m);
/* Send; a failure is logged with the link's name and what the kernel said. */
int link_do(struct rtnl *rt, struct rtnl_req *q, const char *name, const char *what);
/* Address, mtu and queue length of a link that was not made by link_begin(). */
int link_set_attrs(struct rnet *n, const LinkEntry *m);
/* A nested attribute by bounds-checked steps; end with mnl_attr_nest_end(). NULL when full. */
struct nlattr *rtnl_nest(struct rtnl_req *q, uint16_t type);

/* What ethtool shows of @name in the namespace of @sock; what differs on the link made again, or a warning.
 */
int settings_dump(int sock, const char *name, LinkSettings **ret);
void settings_restore(int sock, const char *name, const LinkSettings *m);
/* Is the feature on by now? 0, 1 or an error. */
int link_feature_active(int sock, const char *link, const char *name);
/* Is the link to be made with the number of queues it had? */
bool settings_queues(const LinkEntry *m);
/* Attributes of any link that have a default of the driver's. */
int attrs_dump(const struct link_info *l, LinkEntry *m);
int attrs_restore(struct rnet *n, const LinkEntry *m);

/* How @n calls the namespace @ns_fd, given an id first if it has none yet: >= 0, or errno. */
int nsid_of(struct rnet *n, int ns_fd);
int nsids_dump(struct net_dump *n);
/* Of the namespace of @rt; *@ret -1: it has none for @ns_fd. */
int nsid_get(struct rtnl *rt, int ns_fd, int32_t *ret);
int nsid_set(struct rtnl *rt, int ns_fd, int32_t id);
/* Is the socket in our own network namespace? Asked of the kernel (SO_NETNS_COOKIE, Linux 5.14). */
bool rtnl_is_our_own(const struct rtnl *rt);
int nsids_restore(struct restore *r, struct rnet *n);
/* lock_shared.c: the part of a lock that is in the coordinator's own namespace. */
int lock_shared_dump(struct dump *d, struct netlock *l);
int lock_shared_restore(struct restore *r, struct netlock *l);
void lock_shared_done(struct netlock *l);
/* The namespace of @t, opened if it was not; NULL: the host's, or an error in *@ret_err. */
struct rnet *rnet_enter(struct restore *r, struct rtask *t, int *ret_err);
int rnet_lock(struct restore *r, struct rnet *n);
/* Unlock; the handle that the engine has stays valid for net_unlock(), and is empty. */
void net_lock_forget(struct net_store *s);
struct rnet *rnet_find(const struct restore *r, uint32_t ns_id);

int addrs_dump(struct net_dump *n);
int addrs_plan(struct restore *r, struct rnet *n); /* the checks, and --ip */
int readdress(struct restore *r, struct rnet *n); /* --ip */
/* The host's own: IFA_LOCAL, or IFA_ADDRESS where there is no peer. */
const ProtobufCBinaryData *own_address(const AddrEntry *m);
int addrs_restore(struct rnet *n);
int addr_check(const NetEntry *net, const AddrEntry *m);
bool addr_same_network(const uint8_t *a, const uint8_t *b, uint32_t len);
int addr_parse_text(const char *text, int *ret_family, uint8_t ret_addr[16], uint32_t *ret_len);
int routes_dump(struct net_dump *n);
void route_change_source(NetEntry *net, const ProtobufCBinaryData *old, const uint8_t *new);
int nexthops_restore(struct rnet *n);
int routes_restore(struct rnet *n);
/* In a namespace that is not the container's: what cannot be put back is warned of. */
void routes_try(struct rnet *n, const char *where);
int rules_dump(struct net_dump *n);
int rules_restore(struct rnet *n);
int neighbours_dump(struct net_dump *n);
int neighbours_restore(struct rnet *n);
bool sysctl_kept(const char *name);
bool sysctl_name_ok(const char *name);
int sysctl_pass(const char *name); /* 0: those that spread to others, 2: those that links set, 1: the rest */
/* Begin to read those of @ns beside other work; NULL is fine for all. */
struct sysctl_reader *sysctls_begin(const struct ns *ns);
void sysctls_free(struct sysctl_reader *s);
int sysctls_dump(struct net_dump *n);
int sysctls_plan(struct rnet *n);
int sysctls_restore(struct rnet *n);
int sysctls_restore_late(struct rnet *n); /* those that a link's going up sets: links are up */
int addrlabels_dump(struct net_dump *n);
int addrlabels_restore(struct rnet *n);
int mroute_survey(struct net_dump *n);
/* bpf.c: refused: BPF programs attached to the namespace itself. */
int netbpf_survey(struct net_dump *n);
int xfrm_survey(struct net_dump *n);
int tcx_survey(struct net_dump *n);
int encap_survey(struct net_dump *n); /* BPF programs of routes */
int seg6_dump(struct net_dump *n);
int seg6_restore(struct rnet *n);
int vnis_dump(struct net_dump *n);
int vnis_restore(struct rnet *n); /* before forwarding entries that name them */
int tc_survey(struct net_dump *n);
int tc_dump(struct net_dump *n);
int tc_plan(struct rnet *n);
int tc_restore(struct rnet *n); /* links are there, and down */
int nft_dump(struct net_dump *n);
int nft_restore(struct rnet *n);
int xtables_survey(struct net_dump *n);
int xtables_dump(struct net_dump *n);
int xtables_plan(struct rnet *n);
int xtables_restore(struct rnet *n);
int ipset_dump(struct net_dump *n);
int ipset_plan(struct rnet *n);
int ipset_restore(struct rnet *n); /* before rules that look into them */
int conntrack_dump(struct net_dump *n);
int conntrack_restore(struct rnet *n);
/* Has the bridge the address of its lowest port, which it takes by itself? */
bool bridge_follows_ports(const NetEntry *net, const LinkEntry *m);
/* Settings of a bridge's port: of one outside (IFLA_INFO_SLAVE_DATA), of one of ours, if it is one. */
int bridge_port_set(struct rtnl *rt, uint32_t index, const char *name, const ProtobufCBinaryData *data);
int bridge_port_restore(struct rnet *n, const LinkEntry *m);
int bridges_finish(struct rnet *n, bool late); /* ports have their carriers: spanning trees */
int groups_dump(struct net_dump *n); /* multicast groups of bridges */
int groups_restore(struct rnet *n); /* links are up */
/* Multicast addresses that programs added to links (ip maddr). */
int maddrs_dump(struct net_dump *n);
int maddrs_restore(struct rnet *n);
/* Gratuitous ARP and unsolicited neighbour advertisements of every address. */
int net_announce(struct rnet *n);

/* Bytes for messages: malloc()ed copies. */
int bytes_copy(ProtobufCBinaryData *ret, const void *data, size_t len);
/* A message's payload appended to a repeated bytes field. */
int bytes_add(size_t *n, ProtobufCBinaryData **arr, const struct nlmsghdr *h);
