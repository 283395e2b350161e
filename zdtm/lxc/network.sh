#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The container's link to the host, its firewall, and a peer that keeps talking.
# shellcheck source-path=SCRIPTDIR source=lab.sh
. "$(dirname "$0")/lab.sh"

begin() {
	lab_create
	lab_start
}

# The host ends on the lab's bridge.
host_ends() {
	ip -o link show master "$BR" | sed 's/^[0-9]*: \([^@:]*\).*/\1/'
}

# restore_fails TEXT OPTIONS...
restore_fails() {
	"$CTCR" restore --ct "$CT" --veth-pair -D "$DIR/img" "${@:2}" > "$DIR/restore.out" 2>&1 &&
		fail "a restore that cannot work"
	grep -q -e "$1" "$DIR/restore.out" || fail "no word of $1: $(cat "$DIR/restore.out")"
	[ -z "$(host_ends)" ] || fail "left on the bridge: $(host_ends)"
}

case_given_name() {
	begin
	lab_dump "$DIR/img"
	lab_restore "$DIR/img" --external "veth[eth0]:x$LAB@$BR"
	[ "$(host_ends)" = "x$LAB" ] || fail "the host end is $(host_ends)"
	lab_ping
}

case_refusals() {
	begin
	lab_dump "$DIR/img"
	restore_fails "bridge none$LAB" --external "veth[eth0]:x$LAB@none$LAB"
	restore_fails "exists already" --external "veth[eth0]:$BR@$BR"
	restore_fails "--veth-pair eth9=x$LAB@$BR: the container has no veth link" --veth-pair "eth9=x$LAB@$BR"
	restore_fails "names of 1 to 15 characters" --veth-pair "eth0=x%d@$BR"
	lab_restore "$DIR/img"
	lab_counts_on
	lab_ping
}

# A restore that fails late takes its link back at once.
case_failed_restore() {
	begin
	lab_dump "$DIR/img"
	cat > "$DIR/veto" <<-'END'
		#!/bin/sh
		[ "$CRTOOLS_SCRIPT_ACTION" != post-setup-namespaces ]
	END
	chmod +x "$DIR/veto"
	restore_fails "" --action-script "$DIR/veto"
	lab_restore "$DIR/img"
	lab_counts_on
	lab_ping
}

case_firewall() {
	local pid before after
	begin
	pid=$(lxc-info -n "$CT" -p -H)
	nsenter -t "$pid" -n nft -f - <<-'END'
		table inet fw {
			set ok { type inet_service; elements = { 7, 53 } }
			chain in {
				type filter hook input priority 0; policy drop;
				ct state established,related accept
				iif lo accept
				tcp dport @ok accept
				meta l4proto icmp accept
				udp sport 67 accept
			}
		}
	END
	before=$(nsenter -t "$pid" -n nft list ruleset)
	python3 "$LAB_TOP/zdtm/lxc/echo-client.py" "$(lab_ip)" 7 "$DIR/go" "$DIR/done" &
	wait_for 5 test -e "$DIR/go.ready" || fail "no connection before the dump"
	lab_there_and_back
	after=$(nsenter -t "$(lxc-info -n "$CT" -p -H)" -n nft list ruleset)
	[ "$before" = "$after" ] || fail "rules: $(diff <(echo "$before") <(echo "$after"))"
	touch "$DIR/go"
	wait_for 15 test -e "$DIR/done" || fail "the connection does not answer"
	[ "$(cat "$DIR/done")" = ok ] || fail "the connection: $(cat "$DIR/done")"
	lab_ping
}

# What is set inside stays, ethtool features of the host end too; its discipline is warned of.
case_settings() {
	local pid before after
	command -v ethtool > /dev/null || skip "no ethtool"
	begin
	pid=$(lxc-info -n "$CT" -p -H)
	nsenter -t "$pid" -n sh -e <<-'END' || fail "set up"
		tc qdisc add dev eth0 root handle 1: tbf rate 100mbit burst 100k latency 50ms
		ethtool -K eth0 tx off gro on
		ip link set eth0 txqueuelen 77 alias shaped gso_max_size 30000
	END
	ethtool -K "$(host_ends)" tso off
	bridge link set dev "$(host_ends)" isolated on hairpin on learning off
	tc qdisc add dev "$(host_ends)" root handle 7: pfifo
	before=$(settings)
	lab_there_and_back
	grep -q "the queueing discipline (pfifo 7:) of its host end .* is not kept" "$DIR/img/dump.log" ||
		fail "no warning: $(cat "$DIR/img/dump.log")"
	after=$(settings)
	[ "$before" = "$after" ] || fail "settings: $(diff <(echo "$before") <(echo "$after"))"
	lab_ping
}

settings() {
	local pid
	pid=$(lxc-info -n "$CT" -p -H)
	nsenter -t "$pid" -n sh -c 'tc qdisc; ethtool -k eth0; ip -d link show eth0 | sed "s/eth0@if[0-9]*//"'
	ethtool -k "$(host_ends)" | tail -n +2
	bridge -d link show dev "$(host_ends)" | tail -n +2
}

# A device of the host in the place of the container's link: given back when the restore fails, and when it is
# dumped again.
case_moved_in() {
	local index mac
	begin
	lab_dump "$DIR/img"
	ip link add "m$LAB" type veth peer name "n$LAB"
	ip link set "m$LAB" up
	ip link set "n$LAB" up
	index=$(cat "/sys/class/net/m$LAB/ifindex")
	mac=$(cat "/sys/class/net/m$LAB/address")
	cat > "$DIR/veto" <<-'END'
		#!/bin/sh
		[ "$CRTOOLS_SCRIPT_ACTION" != post-setup-namespaces ]
	END
	chmod +x "$DIR/veto"
	restore_fails "" --action-script "$DIR/veto" --external "netdev[eth0]:m$LAB"
	[ "$(cat "/sys/class/net/m$LAB/ifindex")" = "$index" ] || fail "the device is not back"
	[ "$(cat "/sys/class/net/m$LAB/address")" = "$mac" ] || fail "it is back with another address"
	ip link show "m$LAB" | grep -q "[<,]UP[,>]" || fail "it is back, and down"
	restore_fails "no$LAB of the host" --external "netdev[eth0]:no$LAB"
	ip link set "n$LAB" master "$BR"
	lab_restore "$DIR/img" --external "netdev[eth0]:m$LAB"
	[ ! -e "/sys/class/net/m$LAB" ] || fail "the device is not in the container"
	lab_counts_on
	lab_ping
	rm -rf "$DIR/img"
	lab_dump "$DIR/img" --external "netdev[eth0]:m$LAB"
	[ -e "/sys/class/net/m$LAB" ] || fail "the dump kept the device"
	ip link del "n$LAB"
}

# Routes with several hops and nexthop objects follow --ip as plain routes do: by the new gateway, from the new
# address. Hops by other links, and those that the new network reaches, stay.
case_other_network_hops() {
	local pid
	begin
	pid=$(lxc-info -n "$CT" -p -H)
	nsenter -t "$pid" -n sh -e <<-END
		ip -4 addr flush dev eth0
		ip addr add $NET.240/24 dev eth0
		ip addr add fd00:87::5/64 dev eth0 nodad
		ip link add mv0 link eth0 address 02:00:00:00:87:01 type macvlan mode bridge
		ip link set mv0 up
		ip addr add 10.89.0.1/24 dev mv0
		ip addr add fd00:89::1/64 dev mv0 nodad
		ip route add 10.50.0.0/16 src $NET.240 \
			nexthop via $NET.4 dev eth0 weight 2 nexthop via 10.89.0.4 dev mv0 nexthop via $NET.5 dev eth0
		ip route add 10.51.0.0/16 nexthop via $NET.4 dev eth0 nexthop via $NET.5 dev eth0
		ip route add 10.52.0.0/16 nexthop via inet6 fd00:87::4 dev eth0 nexthop via 10.89.0.4 dev mv0
		ip -6 route add fd00:50::/64 \
			nexthop via fd00:87::4 dev eth0 nexthop via fd00:89::4 dev mv0 nexthop via fd00:87::5:5 dev eth0
		ip nexthop add id 5 via $NET.4 dev eth0
		ip nexthop add id 6 via 10.89.0.4 dev mv0
		ip nexthop add id 7 group 5,2/6
		ip route add 10.53.0.0/16 nhid 7
		ip nexthop add id 8 via fd00:87::4 dev eth0
		ip -6 route add fd00:53::/64 nhid 8
		ip route add 10.54.0.0/16 nhid 8
	END
	lab_dump "$DIR/img"
	restore_fails "the gateway $NET.4 of a route is not in the new network" --ip eth0=10.88.0.7/24
	restore_fails "the gateway fd00:87::4 of a route is not in the new network" --ip eth0=fd00:88::7/64
	lab_restore "$DIR/img" --ip eth0=10.88.0.7/24@10.88.0.1 --ip eth0=fd00:88::7/64@fd00:88::1
	pid=$(lxc-info -n "$CT" -p -H)
	hops "$pid" > "$DIR/hops"
	diff - "$DIR/hops" <<-END || fail "routes"
		10.50.0.0/16 src 10.88.0.7
		nexthop via 10.88.0.1 dev eth0 weight 2
		nexthop via 10.89.0.4 dev mv0 weight 1
		10.51.0.0/16 via 10.88.0.1 dev eth0
		10.52.0.0/16
		nexthop via inet6 fd00:88::1 dev eth0 weight 1
		nexthop via 10.89.0.4 dev mv0 weight 1
		10.53.0.0/16 nhid 7
		nexthop via 10.88.0.1 dev eth0 weight 2
		nexthop via 10.89.0.4 dev mv0 weight 1
		10.54.0.0/16 nhid 8 via inet6 fd00:88::1 dev eth0
		fd00:50::/64 metric 1024
		nexthop via fd00:88::1 dev eth0 weight 1
		nexthop via fd00:89::4 dev mv0 weight 1
		fd00:53::/64 nhid 8 via fd00:88::1 dev eth0 metric 1024
		id 5 via 10.88.0.1 dev eth0 scope link
		id 6 via 10.89.0.4 dev mv0 scope link
		id 7 group 5,2/6
		id 8 via fd00:88::1 dev eth0 scope link
	END
	[ -z "$(nsenter -t "$pid" -n ip -6 route show fd00:87::/64)" ] || fail "the old network is still on the link"
	rm -rf "$DIR/img"
	lab_dump "$DIR/img"
	lab_restore "$DIR/img" --ip eth0=10.88.0.8/16 --ip eth0=fd00:88::8/60
	pid=$(lxc-info -n "$CT" -p -H)
	hops "$pid" | sed 's/10\.88\.0\.8$/10.88.0.7/' | diff "$DIR/hops" - || fail "routes in the same network"
}

hops() { # PID
	nsenter -t "$1" -n sh -c 'ip route; ip -6 route; ip nexthop' |
		sed -n 's/proto static //; s/pref medium//; s/^[ \t]*//; s/ *$//; /^\(10.5\|fd00:5\|nexthop\|id\)/p'
}

# A macvtap on a link of the host, as a virtual machine has it: a program reads frames from its device, whose
# number is another one after the restore, as a lower one is free again.
case_macvtap() {
	local major minor pid
	major=$(sed -n 's/^ *\([0-9]*\) macvtap$/\1/p' /proc/devices)
	[ -n "$major" ] || skip "this kernel has no macvtap"
	echo "lxc.cgroup.devices.allow = c $major:* rwm" > "$DIR/more.conf"
	lab_create
	cat > "/var/lib/lxc/$CT/rootfs/read" <<-'END'
		until [ -e /go ]; do sleep 0.1; done
		exec cat /dev/tap77 > /got
	END
	echo "::once:/bin/sh /read" >> "/var/lib/lxc/$CT/rootfs/etc/inittab"
	lab_start
	ip link add "m$LAB" type veth peer name "n$LAB"
	ip link set "m$LAB" up
	ip link set "n$LAB" up
	pid=$(lxc-info -n "$CT" -p -H)
	ip link add "u$LAB" link "m$LAB" type macvtap mode bridge
	ip link add "t$LAB" index 77 link "m$LAB" netns "$pid" type macvtap mode bridge
	nsenter -n -t "$pid" ip link set "t$LAB" name mt0 up
	minor=$(tap_minor)
	lxc-attach -n "$CT" -- /bin/mknod /dev/tap77 c "$major" "$minor"
	touch "/var/lib/lxc/$CT/rootfs/go"
	frames_come
	lab_dump "$DIR/img"
	ip link del "u$LAB"
	lab_restore "$DIR/img"
	lab_counts_on
	frames_come
	[ "$(tap_minor)" != "$minor" ] || fail "the device has its number again, and this test is none"
	pid=$(lxc-info -n "$CT" -p -H)
	[ "$(lxc-attach -n "$CT" -- /bin/stat -c %t:%T /dev/tap77)" = "$(printf '%x:%x' "$major" "$(tap_minor)")" ] ||
		fail "the node is not the device of the link"
	ip link del "n$LAB"
	lab_ping
}

tap_minor() { # of mt0
	nsenter -n -t "$(lxc-info -n "$CT" -p -H)" unshare -m sh -c \
		'mount -t sysfs sysfs /sys && sed "s/.*://" /sys/class/net/mt0/macvtap/tap77/dev'
}

# What is sent on the link below reaches the program.
frames_come() {
	local was
	was=$(stat -c %s "/var/lib/lxc/$CT/rootfs/got" 2> /dev/null || echo 0)
	wait_for 10 frame_came "$was" || fail "no frame comes out of the device"
}

frame_came() {
	python3 -c 'import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((sys.argv[1], 0))
s.send(b"\xff" * 6 + b"\2\0\0\0\0\1" + b"\x88\xb5" + b"frame" * 20)' "n$LAB"
	[ "$(stat -c %s "/var/lib/lxc/$CT/rootfs/got")" -gt "$1" ]
}

# Another network: all addresses are given, gateways too, and all are announced.
case_other_network() {
	local pid
	begin
	pid=$(lxc-info -n "$CT" -p -H)
	nsenter -t "$pid" -n sh -e <<-END
		ip addr add $NET.240/24 dev eth0
		ip addr add fd00:87::5/64 dev eth0 nodad
		ip addr add fd00:87::6/64 dev eth0 nodad
		ip route replace default via $NET.1
		ip -6 route add default via fd00:87::1
		ip link add mv0 link eth0 address 02:00:00:00:87:01 type macvlan mode bridge
		ip link set mv0 up
		ip addr add 10.89.0.1/24 dev mv0
	END
	lab_dump "$DIR/img"
	restore_fails "the gateway $NET.1 of a route is not in the new network" --ip eth0=10.88.0.7/24
	restore_fails "not so many" --ip eth0=10.88.0.7/24@10.88.0.1 --ip eth0=10.88.1.7/24 --ip eth0=10.88.2.7/24
	restore_fails "no link eth7" --ip eth7=10.88.0.7/24
	restore_fails "the gateway is no address of the same kind" --ip eth0=10.88.0.7/24@fd00::1
	tcpdump -i "$BR" -n -l -e arp or icmp6 > "$DIR/frames" 2> "$DIR/tcpdump" &
	wait_for 10 grep -q listening "$DIR/tcpdump" || fail "tcpdump: $(cat "$DIR/tcpdump")"
	lab_restore "$DIR/img" --ip eth0=10.88.0.7/24@10.88.0.1 --ip eth0=10.88.1.7/24 \
		--ip eth0=fd00:88::7/64@fd00:88::1 --ip eth0=fd00:89::7/64
	kill -0 $! || fail "tcpdump: $(cat "$DIR/tcpdump")"
	pid=$(lxc-info -n "$CT" -p -H)
	[ "$(nsenter -t "$pid" -n ip route show default | sed 's/ *$//')" = "default via 10.88.0.1 dev eth0" ] ||
		fail "$(nsenter -t "$pid" -n ip route)"
	nsenter -t "$pid" -n ip -6 route show default | grep -q "^default via fd00:88::1 dev eth0" ||
		fail "$(nsenter -t "$pid" -n ip -6 route)"
	for addr in 10.88.0.7 10.88.1.7 10.89.0.1; do
		wait_for 5 grep -q "who-has $addr .*tell $addr" "$DIR/frames" ||
			fail "$addr is not announced: $(cat "$DIR/frames")"
	done
	for addr in fd00:88::7 fd00:89::7; do
		wait_for 5 grep -q "neighbor advertisement, tgt is $addr" "$DIR/frames" ||
			fail "$addr is not announced: $(cat "$DIR/frames")"
	done
	bridge fdb show br "$BR" | grep -q "^02:00:00:00:87:01 dev $(host_ends)" ||
		fail "the bridge does not know the macvlan: $(bridge fdb show br "$BR")"
}

own_down() {
	ip link del "n$LAB" 2> /dev/null
}

# While it is locked: each of its network namespaces is, nobody can take the lock away, and neighbours
# that ask get their answer, but nothing else.
case_locked() {
	local link=fe80::2 pid inner=
	lab_create
	echo '::once:/bin/unshare -n /bin/sleep 100000' >> "/var/lib/lxc/$CT/rootfs/etc/inittab"
	lab_start
	lxc-attach -n "$CT" -- /bin/ip -6 addr add $link/64 dev eth0
	wait_for 5 busybox ping6 -c 1 -W 1 -I "$BR" $link || fail "no link-local IPv6"
	pid=$(lxc-info -n "$CT" -p -H)
	while read -r p; do
		! { tr '\0' ' ' < "/proc/$p/cmdline"; } 2> /dev/null | grep -q 'sleep 100000' || inner="$inner $p"
	done < "/sys/fs/cgroup/pids/lxc.payload.$CT/cgroup.procs"
	cat > "$DIR/hook" <<-END
		#!/bin/bash
		[ "\$CRTOOLS_SCRIPT_ACTION" = post-dump ] || exit 0
		set -x
		exec > "$DIR/hook.out" 2>&1
		for p in $pid $inner; do
			nsenter -t \$p -n nft flush ruleset
			nsenter -t \$p -n nft list tables | grep -q 'ctcr-[0-9]*\$' || exit 1
		done
		ip neigh flush dev "$BR"
		busybox arping -c 1 -w 10 -I "$BR" "$(lab_ip)" || exit 1
		! busybox ping -c 1 -W 1 "$(lab_ip)" || exit 1
		! busybox ping6 -c 1 -W 1 -I "$BR" "$link" || exit 1
		ip -6 neigh show to "$link" dev "$BR" | grep lladdr || exit 1
		touch "$DIR/hook.ok"
	END
	chmod +x "$DIR/hook"
	[ "$(wc -w <<< "$inner")" = 1 ] || fail "the inner namespace's process: $inner"
	lab_dump "$DIR/img" --leave-running --action-script "$DIR/hook"
	[ -e "$DIR/hook.ok" ] || fail "$(cat "$DIR/hook.out")"
	lab_ping "when it is unlocked"
	for p in $pid $inner; do
		! nsenter -t "$p" -n nft list tables | grep ctcr || fail "a table is left"
	done
	rm "$DIR/hook.ok"
	"$CTCR" dump --ct "$CT" -D "$DIR/img2" --leave-running --network-lock skip --action-script "$DIR/hook" > "$DIR/out" 2>&1 &&
		fail "locked in spite of --network-lock skip"
	[ "$(nsenter -t "$pid" -n nft list tables)" = "" ] || fail "a table is left"
	lab_counts_on
}

lab_main "$@"
