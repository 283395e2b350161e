#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The networks that LXC's configuration knows besides veth on a bridge: nobody says more on the command line
# than --ct.
# shellcheck source-path=SCRIPTDIR source=lab.sh
. "$(dirname "$0")/lab.sh"

P=p$LAB # "the host's network card": an end of a cable to the lab's bridge

own_down() {
	lxc-stop -k -n "$CT" > /dev/null 2>&1
	lxc-stop -k -n "$CT-2" > /dev/null 2>&1
	wait_for 10 lab_is STOPPED
	ip link del "q$LAB" 2> /dev/null
	[ ! -e "/run/netns/$CT" ] || command ip netns del "$CT"
	unset -f ip busybox lxc-start lxc-stop lxc-info lxc-attach
}

cable() {
	ip link add "$P" type veth peer name "q$LAB"
	ip link set "q$LAB" master "$BR" up
}

# begin TYPE LINES...: lxc.net.0 of that type
begin() {
	cable
	printf 'lxc.net.0.type = %s\nlxc.net.0.flags = up\n' "$1" > "$DIR/net.conf"
	[ "$1" = veth ] || echo "lxc.net.0.link = $P" >> "$DIR/net.conf"
	shift
	printf '%s\n' "$@" >> "$DIR/net.conf"
	lab_create
	lab_start
}

on_host() { # DEVICE: index, address and mtu, if it is there and not up
	ip -o link show "$1" 2> /dev/null |
		sed -n '/[<,]UP[,>]/d; s/^\([0-9]*\): .* mtu \([0-9]*\) .*ether \([^ ]*\).*/\1 \2 \3/p' | grep .
}

is_back() { # AS IT WAS
	[ "$(on_host "$P")" = "$1" ]
}

in_container() {
	nsenter -t "$(lxc-info -n "$CT" -p -H)" -n "$@"
}

# There and back and there again; when it is stopped the device is the host's again, whatever the container
# and its restores did to it.
case_phys() {
	local was i
	cable
	was=$(on_host "$P")
	ip link del "q$LAB"
	begin phys 'lxc.net.0.name = eth0' 'lxc.net.0.hwaddr = 02:00:00:87:00:01' 'lxc.net.0.mtu = 1400'
	[ ! -e "/sys/class/net/$P" ] || fail "LXC did not take it"
	for i in 1 2; do
		rm -rf "$DIR/img"
		lab_dump "$DIR/img"
		on_host "$P" > /dev/null || fail "$i: not given back by the dump: $(ip link)"
		if [ "$i" = 2 ]; then # as on another host: an index, an address and an mtu of its own
			ip link del "q$LAB"
			cable
			ip link set "$P" address 02:00:00:87:00:02 mtu 1300
			was=$(on_host "$P")
		fi
		lab_restore "$DIR/img"
		[ ! -e "/sys/class/net/$P" ] || fail "$i: it is not in the container"
		lab_counts_on
		lab_ping "$i"
		in_container ip link show eth0 | grep -q "mtu 1400" || fail "$i: its mtu"
		in_container ip link show eth0 | grep -q "02:00:00:87:00:01" || fail "$i: its address"
	done
	lxc-stop -k -n "$CT"
	wait_for 10 is_back "$was" || fail "not given back: $(ip link show "$P")"
	lab_start
	lab_ping "started again"
	lab_dump "$DIR/img2"
	"$CTCR" restore --ct "$CT" --no-lxc-monitor -D "$DIR/img2" -d --pidfile "$DIR/pid" > "$DIR/out" 2>&1 ||
		fail "without a monitor: $(cat "$DIR/out")"
	[ ! -e "/sys/class/net/$P" ] || fail "without a monitor: it is not in the container"
	kill -9 "$(cat "$DIR/pid")"
	wait_for 10 on_host "$P" || fail "without a monitor: not given back"
	lab_restore "$DIR/img2" # which removes that one's cgroups
}

# A name inside that LXC gives by itself, a device of another kind behind it, and a second one.
case_phys_names() {
	begin veth "lxc.net.0.link = $BR" 'lxc.net.3.type = phys' "lxc.net.3.link = $P" 'lxc.net.3.flags = up' \
		'lxc.net.4.type = veth' "lxc.net.4.link = $BR"
	lab_dump "$DIR/img"
	on_host "$P" > /dev/null || fail "not given back by the dump: $(ip link)"
	lab_restore "$DIR/img"
	in_container ip -o link | sed 's/^[0-9]*: //; s/[:@].*//' | sort > "$DIR/names"
	[ "$(tr '\n' ' ' < "$DIR/names")" = "eth0 eth1 lo $P " ] || fail "links: $(cat "$DIR/names")"
	lab_ping
}

case_phys_failed() {
	local was
	begin phys 'lxc.net.0.name = eth0'
	lab_dump "$DIR/img"
	was=$(on_host "$P")
	for end in 'exit 1' "kill -9 \$PPID"; do
		printf '#!/bin/sh\n[ "$CRTOOLS_SCRIPT_ACTION" != post-setup-namespaces ] || %s\n' "$end" > "$DIR/veto"
		chmod +x "$DIR/veto"
		"$CTCR" restore --ct "$CT" -D "$DIR/img" --action-script "$DIR/veto" > "$DIR/out" 2>&1 && fail "restored"
		wait_for 10 is_back "$was" || fail "$end: not given back: $(ip link)"
	done
	ip link set "$P" up
	printf '#!/bin/sh\n[ "$CRTOOLS_SCRIPT_ACTION" != post-setup-namespaces ]\n' > "$DIR/veto"
	"$CTCR" restore --ct "$CT" -D "$DIR/img" --action-script "$DIR/veto" > "$DIR/out" 2>&1 && fail "restored"
	ip link show "$P" | grep -q '[<,]UP[,>]' || fail "it was up, and is not"
	lab_restore "$DIR/img"
	lab_ping
}

refused() { # TEXT; before there is a process
	printf '#!/bin/sh\n: > %s\n' "$DIR/began" > "$DIR/hook"
	chmod +x "$DIR/hook"
	"$CTCR" restore --ct "$CT" -D "$DIR/img" --action-script "$DIR/hook" > "$DIR/out" 2>&1 && fail "restored"
	grep -q "$1" "$DIR/out" || fail "no word of \"$1\": $(cat "$DIR/out")"
	[ ! -e "$DIR/began" ] || fail "$1: too late"
}

case_phys_refused() {
	begin phys 'lxc.net.0.name = eth0'
	lab_dump "$DIR/img"
	ip link set "$P" master "$BR"
	refused "device $P of the host is in use, as a port of $BR"
	ip link set "$P" nomaster
	ip netns add "$CT"
	ip link set "$P" netns "$CT"
	refused "device $P of the host; it may be in another container"
	ip -n "$CT" link set "$P" netns 1
	ip netns del "$CT"
	lab_restore "$DIR/img"
	lab_ping
}

# Two containers on one link of the host; the second goes there and back.
case_macvlan() {
	local mode
	for mode in bridge private vepa passthru; do
		[ ! -e "/sys/class/net/$P" ] || ip link del "$P"
		cable
		ip link set "$P" up
		if [ "$mode" = bridge ]; then
			printf 'lxc.net.0.type = macvlan\nlxc.net.0.macvlan.mode = bridge\nlxc.net.0.link = %s\nlxc.net.0.flags = up\n' \
				"$P" > "$DIR/net.conf"
			lab_create "$CT-2"
			lab_start "$CT-2"
		fi
		printf 'lxc.net.0.type = macvlan\nlxc.net.0.macvlan.mode = %s\nlxc.net.0.link = %s\nlxc.net.0.flags = up\n' \
			"$mode" "$P" > "$DIR/net.conf"
		[ ! -d "/var/lib/lxc/$CT" ] || lxc-destroy -n "$CT" > /dev/null || fail "lxc-destroy"
		lab_create
		lab_start
		rm -rf "$DIR/img"
		lab_there_and_back
		in_container ip -d link show eth0 | grep -q "macvlan mode $mode " ||
			fail "$mode: $(in_container ip -d link show eth0)"
		lab_ping "$mode"
		if [ "$mode" = bridge ]; then
			in_container busybox ping -c 1 -W 3 "$(lab_ip "$CT-2")" > /dev/null || fail "they do not meet"
			lxc-stop -k -n "$CT-2"
			wait_for 10 lab_is STOPPED "$CT-2"
			lxc-destroy -n "$CT-2" > /dev/null || fail "lxc-destroy"
		fi
		lxc-stop -k -n "$CT"
		wait_for 10 lab_is STOPPED
	done
}

# The link of the host has another name by now: the configuration says so.
case_macvlan_moved() {
	cable
	ip link set "$P" up
	begin_macvlan
	lab_dump "$DIR/img"
	ip link set "$P" down
	ip link set "$P" name "r$LAB" up
	refused "lies on $P on the host"
	sed -i "s/^lxc.net.0.link.*/lxc.net.0.link = r$LAB/" "/var/lib/lxc/$CT/config"
	lab_restore "$DIR/img"
	lab_ping
}

begin_macvlan() {
	printf 'lxc.net.0.type = macvlan\nlxc.net.0.macvlan.mode = bridge\nlxc.net.0.link = %s\nlxc.net.0.flags = up\n' \
		"$P" > "$DIR/net.conf"
	lab_create
	lab_start
}

# LXC wants a host that forwards: a network namespace of ours.
case_router() {
	ip netns add "$CT"
	for tool in lxc-start lxc-stop lxc-info lxc-attach ip busybox; do
		eval "$tool() { on_router $tool \"\$@\"; }"
	done
	printf '#!/bin/sh\nexec nsenter --net=/run/netns/%s %s "$@"\n' "$CT" "$CTCR" > "$DIR/ctcr"
	chmod +x "$DIR/ctcr"
	CTCR=$DIR/ctcr
	ip link set lo up
	on_router sh -c 'cd /proc/sys/net; echo 1 > ipv4/ip_forward; echo 1 > ipv6/conf/all/forwarding'
	ip link add "$BR" type bridge
	ip link add "$P" type veth peer name "q$LAB" # what it routes for
	ip link set "$P" up
	ip link set "q$LAB" up
	ip addr add "$NET.1/24" dev "$P"
	ip addr add fd89::1/64 dev "$P" nodad
	ip route add default via "$NET.2"
	ip -6 route add default via fd89::2
	router
}

on_router() {
	nsenter --net="/run/netns/$CT" "$@"
}

host_end() { # what LXC and we set for the end on the host
	ip -4 route show dev "r$LAB"
	ip -6 route show dev "r$LAB" | sort
	ip neigh show proxy dev "r$LAB"
	ip -6 neigh show proxy dev "r$LAB"
	ip neigh show nud permanent dev "r$LAB"
	ip -o addr show dev "r$LAB" | sed 's/^[0-9]*: //'
	on_router sh -c "cd /proc/sys/net; grep . ipv4/conf/r$LAB/forwarding ipv4/conf/r$LAB/proxy_arp \
		ipv4/conf/r$LAB/rp_filter ipv6/conf/r$LAB/forwarding ipv6/conf/r$LAB/proxy_ndp \
		ipv6/conf/r$LAB/accept_ra ipv6/conf/r$LAB/autoconf"
}

# The host routes to the container: its routes, proxies and settings are there again when it is.
router() {
	local before
	printf 'lxc.net.0.%s\n' 'type = veth' 'veth.mode = router' "veth.pair = r$LAB" 'flags = up' 'name = eth0' \
		'ipv4.address = 10.88.1.2/32' 'ipv4.gateway = 10.88.1.1' 'ipv6.address = fd88::2/128' \
		'ipv6.gateway = fd88::1' 'veth.ipv4.route = 10.88.1.128/25' > "$DIR/net.conf"
	lab_create
	printf '#!/bin/sh\n/bin/syslogd\n/bin/mount -a\n' > "/var/lib/lxc/$CT/rootfs/etc/init.d/rcS" # no DHCP
	lab_start
	on_router sh -c "cd /proc/sys/net/ipv4/conf/r$LAB; echo 1 > proxy_arp; echo 2 > rp_filter"
	ip addr add 10.88.1.9/32 dev "r$LAB"
	ip neigh add 10.88.1.200 lladdr 02:00:00:00:00:99 dev "r$LAB"
	lab_ping "before: $(host_end)"
	wait_for 10 ping6 || fail "no ping of IPv6 before: $(host_end)"
	wait_for 10 settled || fail "addresses stay tentative"
	before=$(host_end)
	lab_there_and_back
	diff <(echo "$before") <(host_end) || fail "the end on the host"
	lab_ping "after"
	wait_for 10 ping6 || fail "no ping of IPv6 after"
	rm -rf "$DIR/img"
	lab_dump "$DIR/img"
	wait_for 10 no_route || fail "a route is left"
	lab_restore "$DIR/img" --veth-pair "eth0=r$LAB@$BR"
	no_route || fail "a route by a port of a bridge"
}

no_route() {
	[ -z "$(ip route show 10.88.1.128/25)" ]
}

ping6() {
	busybox ping6 -c 1 -W 3 fd88::2
}

settled() {
	[ -z "$(ip -6 -o addr show dev "r$LAB" tentative)" ]
}

# No device at all; and one beside it that is "empty" too.
case_empty() {
	printf 'lxc.net.0.type = empty\nlxc.net.0.flags = up\nlxc.net.1.type = empty\n' > "$DIR/net.conf"
	lab_create
	lxc-start -n "$CT" -o "$DIR/start.log" || { cat "$DIR/start.log"; fail "lxc-start"; }
	wait_for 5 test -s "/var/lib/lxc/$CT/rootfs/count.now" || fail "the counter does not start"
	lab_there_and_back
	[ "$(in_container ip -o link | wc -l)" = 1 ] || fail "links: $(in_container ip link)"
	in_container busybox ping -c 1 127.0.0.1 > /dev/null || fail "lo"
}

lab_main "$@"
