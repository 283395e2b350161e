#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""netstate.py PID                 print the whole state of PID's network namespace, in a normal form
   netstate.py PID BEFORE [SECONDS]  until it is that of the file BEFORE; after SECONDS (10): what differs, exit 1

Everything iproute2, tc, bridge, ethtool, nft, conntrack and sysctl show, one fact a line. Left out is what changes
by itself: counters, timers, ages; and what the kernel learned or chooses anew (README, "Lost without a refusal").
"""
import difflib
import json
import os
import re
import subprocess
import sys
import time

# Keys of JSON that say nothing of what was set.
IGNORED = {
    "stats", "stats64", "bytes", "packets", "drops", "overlimits", "requeues", "backlog", "qlen", "used_bc_queue_len",
    "hello_timer", "tcn_timer", "topology_change_timer", "gc_timer", "topology_change", "topology_change_detected",
    "message_age_timer", "forward_delay_timer", "hold_timer", "topology_change_ack", "config_pending", "id", "no",
    "designated_port", "designated_cost", "fdb_n_learned", "lended", "borrowed", "giants", "tokens", "ctokens", "rate_est",
    "used_hw_stats", "not_in_hw", "direct_packets_stat", "deprecated", "link_index", "tso_max_size", "tso_max_segs",
    "unbalanced_time", "idle_time", "carrier_changes", "carrier_up_count", "carrier_down_count", "usedbcqueuelen",
    "bc_queue_len_used", "uptime", "handle", "used", "expires_in", "ageing", "metainfo", "num_rx_queues", "num_tx_queues",
    "temporary", "tentative", "stable-privacy", "refcnt",
}
# Numbers of seconds that run: only whether there is one.
SECONDS = {"valid_life_time", "preferred_life_time", "expires", "timeout", "elem_expires"}
FOREVER = 4294967295
# Sysctls that are of the host, or count.
SYSCTLS = re.compile(r"nf_conntrack_(count|buckets)|\.dev_snmp|stable_secret|fs\.|netdev_rss_key|somaxconn_max")


def normal(value, ids):  # ids: what is called "id" was set by somebody (a vxlan's, a nexthop's)
    if isinstance(value, dict):
        found = {}
        for key, v in value.items():
            if key == "info_slave_data" and isinstance(v, dict):
                v.pop("id", None)  # a bridge numbers its ports anew
            if key in SECONDS and isinstance(v, (int, float)):
                found[key] = v if v in (0, FOREVER) else "some"
            elif key == "id" and ids or key not in IGNORED:
                found[key] = normal(v, ids)
        return found
    if isinstance(value, list):
        return [normal(v, ids) for v in value]
    return value


def facts_of(item, name):
    """A link, a fact a line."""
    for key, v in sorted(item.items()):
        if isinstance(v, dict):
            yield from facts_of(v, "%s %s" % (name, key))
        elif isinstance(v, list) and v and isinstance(v[0], dict):
            yield from ("%s %s: %s" % (name, key, json.dumps(i, sort_keys=True)) for i in v)
        else:
            yield "%s %s: %s" % (name, key, json.dumps(v, ensure_ascii=False))


def inside(pid, argv):
    p = subprocess.run(["nsenter", "-t", pid, "-n"] + argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                       errors="replace")
    if p.returncode:
        return "status %d: %s" % (p.returncode, p.stderr)
    return p.stdout


def as_json(pid, argv, order=True, ids=False, drop=None):
    text = inside(pid, argv)
    try:
        items = json.loads(text) if text.strip() else []
    except ValueError:
        return text.splitlines()
    if isinstance(items, dict):
        items = items.get("nftables") or [items]
    items = [i for i in items if i and not (drop and drop(i))]
    items = [normal(i, ids) for i in items]
    if items and "ifindex" in items[0]:
        lines = [fact for i in sorted(items, key=lambda i: i["ifindex"]) for fact in facts_of(i, i["ifname"])]
        return lines if order else sorted(lines)
    lines = [json.dumps(i, sort_keys=True) for i in items]
    return lines if order else sorted(lines)


def as_text(pid, argv, edit=(), drop=None, order=True):
    lines = inside(pid, argv).splitlines()
    for pattern, by in edit:
        lines = [re.sub(pattern, by, l) for l in lines]
    lines = [l.rstrip() for l in lines if l.strip() and not (drop and re.search(drop, l))]
    return lines if order else sorted(lines)


def learned(n):
    states = n.get("state", [])
    if "NOARP" in states and re.match("(33:33:|01:00:5e:|ff:ff:|.?.$)", n.get("lladdr", "")):
        return True  # the kernel's own of multicast
    return not ({"PERMANENT", "NOARP"} & set(states)) and not ({"extern_learn", "managed", "proxy"} & set(n))


def paragraphs(pid, argv, drop):
    return sorted(" ".join(re.sub(drop, "", p).split()) for p in inside(pid, argv).split("\n\n"))


def is_own(r):
    """An address's own route: one of each, in any order."""
    return r.get("type") in ("local", "anycast") and r.get("protocol") == "kernel"


def learned_fdb(n):
    return n.get("state") not in ("permanent", "static") and "extern_learn" not in n.get("flags", [])


def links_of(pid):
    return [l["ifname"] for l in json.loads(inside(pid, ["ip", "-j", "link"]))]


def of_links(pid, found):
    for name in links_of(pid):
        for flag in "kacgl":
            found["ethtool -%s %s" % (flag, name)] = [
                l for l in as_text(pid, ["ethtool", "-" + flag, name]) if not l.startswith("status ")]
        for kind in ("class", "filter"):
            found["tc %s %s" % (kind, name)] = as_json(pid, ["tc", "-j", "-d", kind, "show", "dev", name])
        for hook in ("ingress", "egress"):
            found["tc filter %s %s" % (name, hook)] = as_json(pid, ["tc", "-j", "-d", "filter", "show", "dev", name, hook])
    return found


def state(pid):
    found = {
        "link": as_json(pid, ["ip", "-d", "-j", "link"], ids=True),
        "addr": as_json(pid, ["ip", "-d", "-j", "addr"], ids=True),
        "route": as_json(pid, ["ip", "-d", "-j", "-4", "route", "show", "table", "all"]),
        "route6": as_json(pid, ["ip", "-d", "-j", "-6", "route", "show", "table", "all"], drop=is_own),
        "route6 own": as_json(pid, ["ip", "-d", "-j", "-6", "route", "show", "table", "all"], False, drop=lambda r: not is_own(r)),
        "rule": as_json(pid, ["ip", "-d", "-j", "-4", "rule"]),
        "rule6": as_json(pid, ["ip", "-d", "-j", "-6", "rule"]),
        "neigh": as_json(pid, ["ip", "-d", "-j", "neigh", "show", "nud", "all"], False, drop=learned),
        "proxy": as_json(pid, ["ip", "-j", "-4", "neigh", "show", "proxy"], False),
        "proxy6": as_json(pid, ["ip", "-j", "-6", "neigh", "show", "proxy"], False),
        "nexthop": as_json(pid, ["ip", "-d", "-j", "nexthop"], ids=True),
        "maddr": as_json(pid, ["ip", "-j", "maddr"], False),
        "mroute": as_text(pid, ["ip", "mroute", "show", "table", "all"]),
        "netconf": as_json(pid, ["ip", "-j", "-4", "netconf"]) + as_json(pid, ["ip", "-j", "-6", "netconf"]),
        "ntable": paragraphs(pid, ["ip", "ntable", "show"], r"(entries|reachable|hash_\w+|last_\w+|refcnt) *[0-9,]+m?s?"),
        "token": as_json(pid, ["ip", "-j", "token"]),
        "addrlabel": as_json(pid, ["ip", "-j", "addrlabel"], False),
        "netns ids": as_text(pid, ["ip", "netns", "list-id"]),
        "xfrm": as_text(pid, ["ip", "xfrm", "state"]) + as_text(pid, ["ip", "xfrm", "policy"]),
        "sr": as_text(pid, ["ip", "sr", "tunsrc", "show"]) + as_text(pid, ["ip", "sr", "hmac", "show"]),
        "bridge link": as_json(pid, ["bridge", "-d", "-j", "link"]),
        "fdb": as_json(pid, ["bridge", "-d", "-j", "fdb"], False, drop=learned_fdb),
        "mdb": as_text(pid, ["bridge", "-d", "mdb"], [(r" +\d+\.\d+$", "")], r" temp( |$)", False),
        "vlan": as_json(pid, ["bridge", "-d", "-j", "vlan"]) + as_text(pid, ["bridge", "vni"]),
        "qdisc": as_json(pid, ["tc", "-j", "-d", "qdisc"], False),
        "actions": as_text(pid, ["tc", "actions", "ls", "action", "mirred"]),
        "nft": as_text(pid, ["nft", "-s", "list", "ruleset"], [(r"expires \S+", "expires")]),
        "ipset": as_text(pid, ["ipset", "save"], order=False),
        "iptables": as_text(pid, ["iptables-legacy-save"], drop="^#") + as_text(pid, ["ip6tables-legacy-save"], drop="^#"),
        "conntrack": as_text(pid, ["conntrack", "-L", "-o", "extended"],
                             [(r"^(ipv.\s+\d+\s+\S+\s+\d+\s+)\d+", r"\1"), (r"\b(packets|bytes|use|id)=\d+", "")],
                             r"dst=(224\.|239\.|ff0)", False),
        "sockets": as_text(pid, ["ss", "-anH", "-A", "inet,packet"],
                           [(r"^(\S+ +\S+ +)\d+ +\d+", r"\1"), (r"/\d+ ", " "), (r"\s+", " ")], "TIME-WAIT|^nl ", False),
        "sysctl": as_text(pid, ["sysctl", "-a", "-r", "^net"], drop=SYSCTLS.pattern, order=False),
    }
    return of_links(pid, found)


def text_of(pid):
    lines = []
    for name, facts in sorted(state(pid).items()):
        lines += ["%s: %s" % (name, f) for f in facts]
    return [re.sub(r"@if\d+", "@if", l) for l in lines]


def differences(before, after):
    found = []
    for line in difflib.unified_diff(before, after, "before", "after", "", "", 0, ""):
        if not line.startswith(("---", "+++", "@@")):
            found.append(line)
    return found


def main():
    os.environ["LC_ALL"] = "C"
    pid = sys.argv[1]
    if len(sys.argv) == 2:
        print("\n".join(text_of(pid)))
        return 0
    with open(sys.argv[2]) as f:
        before = f.read().splitlines()
    end = time.monotonic() + float(sys.argv[3] if len(sys.argv) > 3 else 10)
    while True:
        found = differences(before, text_of(pid))
        if not found:
            return 0
        if time.monotonic() > end:
            print("\n".join(found))
            return 1
        time.sleep(0.3)


sys.exit(main())
