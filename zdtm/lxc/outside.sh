#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A veth whose other end is neither in the container nor on the host: in another container, in a namespace of
# ip-netns(8), in one without a name.
# shellcheck source-path=SCRIPTDIR source=lab.sh
. "$(dirname "$0")/lab.sh"
. "$(dirname "$0")/peers.sh"

B=${CT}b
NS=ctcr$LAB
PORT=9
NETPEER=$OUT/zdtm/tools/netpeer

own_down() {
	local ns
	for ns in "$NS" "${NS}o"; do
		[ ! -e "/run/netns/$ns" ] || ip netns del "$ns"
	done
	[ -z "${HOLDER:-}" ] || kill "$HOLDER" 2> /dev/null
}

pid_of() {
	lxc-info -n "${1:-$CT}" -p -H
}

inside() { # CONTAINER COMMAND...: a command of ours in its network
	nsenter -n -t "$(pid_of "$1")" "${@:2}"
}

# The container's link eth1, 10.99.0.1; the other end's name and its namespace, as ip(8) takes it.
join() { # NAME WHERE
	ip link add "ja$LAB" type veth peer name "jb$LAB"
	ip link set "jb$LAB" netns "$2" name "$1"
	ip link set "ja$LAB" netns "$(pid_of)" name eth1
	inside "$CT" sh -ec 'ip addr add 10.99.0.1/24 dev eth1; ip -6 addr add fd99::1/64 dev eth1 nodad; ip link set eth1 up'
}

join_containers() { # [OWNER OF THE ROOTS]
	local ct
	lab_create
	cp "$NETPEER" "/var/lib/lxc/$CT/rootfs/netpeer"
	echo "::once:/netpeer serve $PORT" >> "/var/lib/lxc/$CT/rootfs/etc/inittab"
	lab_create "$B"
	for ct in "$CT" "$B"; do
		[ -z "${1:-}" ] || chown -Rh "$1" "/var/lib/lxc/$ct/rootfs"
		chmod 755 "/var/lib/lxc/$ct"
		lab_start "$ct"
	done
	join p1 "$(pid_of "$B")"
	inside "$B" sh -ec '
		ip link set p1 address 02:00:00:00:99:02 mtu 1400 alias joined up
		ip addr add 10.99.0.2/24 dev p1
		ip -6 addr add fd99::2/64 dev p1 nodad
		ip route add 10.98.0.0/16 via 10.99.0.1
		ip -6 route add fd98::/64 via fd99::1 metric 7
		ip neigh add 10.99.0.77 lladdr 02:00:00:00:99:77 dev p1 nud permanent
		ip -6 neigh add fd99::77 lladdr 02:00:00:00:99:77 dev p1 nud permanent
		ip neigh add proxy 10.99.0.78 dev p1
		ip link property add dev p1 altname the-link-between'
	inside "$CT" ip link set eth1 mtu 1400
	wait_for 10 settled || fail "addresses stay tentative"
}

settled() { # duplicate address detection is over
	! { inside "$B" ip -6 addr show p1; inside "$CT" ip -6 addr show eth1; } | grep -q tentative
}

# What both ends have.
ends() {
	inside "$CT" ip -d link show eth1 | sed 's/ promiscuity.*//; s/qdisc [a-z]*//; s/state [A-Z]*//'
	inside "$B" ip -d link show p1 |
		sed 's/ promiscuity.*//; s/qdisc [a-z]*//; s/state [A-Z]*//; s/link-netnsid [0-9]*//'
	inside "$B" ip -o addr show p1 | sed 's/stable-privacy //; s/  */ /g'
	inside "$B" ip route show dev p1
	inside "$B" ip -6 route show dev p1 | sort
	inside "$B" ip neigh show dev p1 nud permanent | sort
	inside "$B" ip neigh show proxy dev p1
}

same_ends() {
	local after
	after=$(ends)
	[ "$before" = "$after" ] || fail "the ends: $(diff <(echo "$before") <(echo "$after"))"
}

pings() { # PID TO...: from the network namespace of PID
	local to
	for to in "${@:2}"; do
		nsenter -n -t "$1" busybox ping -c 1 -W 3 "$to" > /dev/null || fail "no ping to $to"
	done
}

# restore_fails TEXT OPTIONS...: in one line, and nothing of it is left
restore_fails() {
	local ports
	ports=$(ip -br link show master "$BR")
	"$CTCR" restore --ct "$CT" --veth-pair -D "$DIR/img" "${@:2}" > "$DIR/restore.out" 2>&1 &&
		fail "a restore that cannot work"
	[ "$(grep -c '^ctcr' "$DIR/restore.out")" -le 2 ] || fail "more than a line: $(cat "$DIR/restore.out")"
	grep -qF "$1" "$DIR/restore.out" || fail "no word of $1: $(cat "$DIR/restore.out")"
	[ "$(ip -br link show master "$BR")" = "$ports" ] || fail "left on the bridge, by $1"
}

# Connections between the two, of both families and with data under way, live on; both ends are as they were.
case_containers() {
	local before
	join_containers
	before=$(ends)
	pings "$(pid_of "$B")" 10.99.0.1 fd99::1
	wait_for 5 nsenter -n -t "$(pid_of "$B")" bash -c ": < /dev/tcp/10.99.0.1/$PORT" || fail "nothing listens"
	for h in 10.99.0.1 fd99::1; do
		nsenter -n -t "$(pid_of "$B")" python3 "$LAB_TOP/zdtm/lxc/net-peer.py" \
			stream "$DIR/s$h" $h $PORT &
	done
	for t in 0 2; do
		peer_moves s10.99.0.1 "before it is away for $t s"
		peer_moves sfd99::1 "before it is away for $t s"
		away $t
		same_ends
	done
	peer_moves s10.99.0.1 "at the end"
	peer_moves sfd99::1 "at the end"
	peer_ok s10.99.0.1 sfd99::1
	pings "$(pid_of "$B")" 10.99.0.1 fd99::1
	pings "$(pid_of)" 10.99.0.2 fd99::2
	lab_ping
}

# The other end on a bridge of a namespace of ip-netns(8): there again, renamed, elsewhere.
case_named() {
	lab_create
	lab_start
	ip netns add "$NS"
	for b in nb nb2; do
		ip -n "$NS" link add $b type bridge
		ip -n "$NS" link set $b up
	done
	ip -n "$NS" addr add 10.99.0.9/24 dev nb
	ip -n "$NS" -6 addr add fd99::9/64 dev nb nodad
	join e1 "$NS"
	ip -n "$NS" link set e1 master nb up alias port
	wait_for 5 ip netns exec "$NS" busybox ping -c 1 -W 1 10.99.0.1 || fail "no ping"
	away 0
	named_at e1 nb
	ip -n "$NS" link show e1 | grep -q "alias port" || fail "the other end lost its alias"
	away 0 --veth-pair "eth1=r1@nb2,netns=$NS"
	ip -n "$NS" addr flush dev nb
	ip -n "$NS" addr add 10.99.0.9/24 dev nb2
	ip -n "$NS" -6 addr add fd99::9/64 dev nb2 nodad
	named_at r1 nb2
	ip -n "$NS" addr flush dev nb2
	ip -n "$NS" addr add 10.99.0.9/24 dev nb
	ip -n "$NS" -6 addr add fd99::9/64 dev nb nodad
	away 0 --external "veth[eth1]:@nb,netns=/run/netns/$NS"
	named_at r1 nb
	away 0 --veth-pair "eth1=h$LAB@$BR,host"
	[ -e "/sys/class/net/h$LAB/brport" ] || fail "h$LAB is not on the host's bridge"
}

named_at() { # NAME BRIDGE
	ip -n "$NS" -o link show master "$2" | grep -q ": $1@" ||
		fail "$1 is not on $2: $(ip -n "$NS" -o link)"
	lab_counts_on
	ip netns exec "$NS" busybox ping -c 1 -W 3 10.99.0.1 > /dev/null || fail "no ping by IPv4 ($1)"
	ip netns exec "$NS" busybox ping -c 1 -W 3 fd99::1 > /dev/null || fail "no ping by IPv6 ($1)"
}

# The host's end of a configured link, which somebody moved, and a second link: what LXC says of it (another
# name, the host's bridge) counts less than where it was, below LXC's monitor and without it.
case_moved() {
	local host ip
	lab_create
	lab_start
	ip=$(lab_ip)
	host=$(ip -o link show master "$BR" | sed 's/^[0-9]*: \([^@:]*\).*/\1/')
	ip netns add "$NS"
	ip -n "$NS" link add nb type bridge
	ip -n "$NS" link set nb up
	ip -n "$NS" addr add 10.99.0.9/24 dev nb
	ip -n "$NS" -6 addr add fd99::9/64 dev nb nodad
	ip -n "$NS" addr add "$NET.1/24" dev nb
	ip link set "$host" netns "$NS"
	ip -n "$NS" link set "$host" master nb up
	join e1 "$NS"
	ip -n "$NS" link set e1 master nb up
	lab_dump "$DIR/img"
	lab_restore "$DIR/img" --no-lxc-monitor -d --pidfile "$DIR/pid"
	named_at "$host" nb
	named_at e1 nb
	kill -9 "$(cat "$DIR/pid")"
	wait_for 10 all_free "$host" e1 || fail "ends of a container that was killed are left"
	lab_restore "$DIR/img" # which removes that one's cgroups
	away 0
	named_at "$host" nb
	named_at e1 nb
	ip netns exec "$NS" busybox ping -c 1 -W 3 "$ip" > /dev/null || fail "no ping over eth0"
}

all_free() { # NAME...
	local name
	for name in "$@"; do
		! ip -n "$NS" link show "$name" || return 1
	done
}

# Nothing of it is touched.
case_running() {
	local before
	join_containers
	before=$(ends)
	lab_dump "$DIR/img" --leave-running
	same_ends
	lab_counts_on
	pings "$(pid_of "$B")" 10.99.0.1 fd99::1
}

# Each mistake is one line, before anything is made; a failed restore takes its link back.
case_refusals() {
	join_containers
	ip netns add "$NS"
	lab_dump "$DIR/img"
	restore_fails "bridge nobr" --veth-pair "eth1=x1@nobr,container=$B"
	restore_fails "exists already in container $B" --veth-pair "eth1=eth0,container=$B"
	restore_fails "/run/netns/none$LAB" --veth-pair "eth1=x1,netns=/run/netns/none$LAB"
	restore_fails "in network namespace none$LAB: it is not there" --veth-pair "eth1=x1,netns=none$LAB"
	restore_fails "that is no network namespace" --veth-pair "eth1=x1,netns=/etc/passwd"
	restore_fails "that is no network namespace" --veth-pair "eth1=x1,netns=/proc/self/ns/mnt"
	restore_fails "in container no$LAB: it is not running" --veth-pair "eth1=x1,container=no$LAB"
	restore_fails "the host's own" --veth-pair "eth1=x1,pid=$$"
	restore_fails "netns=NAME, container=NAME" --veth-pair "eth1=x1,nets=$NS"
	cat > "$DIR/veto" <<-'END'
		#!/bin/sh
		[ "$CRTOOLS_SCRIPT_ACTION" != post-setup-namespaces ]
	END
	chmod +x "$DIR/veto"
	restore_fails "" --action-script "$DIR/veto"
	inside "$B" ip link show p1 2> /dev/null && fail "a failed restore left the other end"
	lxc-stop -k -n "$B"
	restore_fails "in container $B: it is not running"
	lab_restore "$DIR/img" --veth-pair "eth1=,netns=$NS"
	ip netns exec "$NS" busybox ping -c 1 -W 3 10.99.0.1 > /dev/null || fail "no ping in another namespace"
	lab_counts_on
}

# The other end, and a link below one, in a namespace nobody has named.
case_nameless() {
	local before
	lab_create
	lab_start
	unshare -n sleep 1000 &
	HOLDER=$!
	wait_for 5 other_netns || fail "no namespace"
	nsenter -n -t "$HOLDER" sh -ec 'ip link add d0 type veth peer name d1; ip link set d0 up; ip link set d1 up'
	join e1 "$HOLDER"
	nsenter -n -t "$HOLDER" sh -ec 'ip addr add 10.99.0.7/24 dev e1; ip link set e1 up; ip link add mv0 link d0 type macvlan mode bridge'
	nsenter -n -t "$HOLDER" ip link set mv0 netns "$(pid_of)" name mv1
	inside "$CT" ip link set mv1 up
	before=$(lower)
	lab_dump "$DIR/img"
	grep -q "link eth1 (veth): its other end is in .* without a name (that of pid $HOLDER); .*--veth-pair eth1=,pid=N" \
		"$DIR/img/dump.log" || fail "no warning: $(cat "$DIR/img/dump.log")"
	restore_fails "link eth1 (veth): its other end was in a network namespace without a name; give" \
		--external "macvlan[mv1]:d0,pid=$HOLDER"
	restore_fails "link mv1 (macvlan): the link below it was in a network namespace without a name; give" \
		--veth-pair "eth1=,pid=$HOLDER"
	lab_restore "$DIR/img" --veth-pair "eth1=,pid=$HOLDER" --external "macvlan[mv1]:d0,pid=$HOLDER"
	lab_counts_on
	pings "$HOLDER" 10.99.0.1
	[ "$(lower)" = "$before" ] || fail "mv1: $(diff <(echo "$before") <(lower))"
}

lower() { # with the number of the link it lies on, and its namespace's
	inside "$CT" ip -d link show mv1 | sed 's/ promiscuity.*//'
}

# A namespace that only a descriptor holds: of its links no more than the names can be had, by its number.
case_held() {
	lab_create
	lab_start
	unshare -n sleep 1000 &
	HOLDER=$!
	wait_for 5 other_netns || fail "no namespace"
	exec 9< "/proc/$HOLDER/ns/net"
	join e1 "$HOLDER"
	kill "$HOLDER"
	wait "$HOLDER" 2> /dev/null
	HOLDER=
	lab_dump "$DIR/img"
	restore_fails "its other end was in a network namespace without a name"
	lab_restore "$DIR/img" --veth-pair "eth1=,netns=/proc/$$/fd/9"
	lab_counts_on
	nsenter --net=/proc/self/fd/9 ip -o link show e1 | grep -q "[<,]UP[,>]" || fail "e1 is not up"
	inside "$CT" ip -o link show eth1 | grep -q LOWER_UP || fail "eth1 has no carrier"
	exec 9<&-
}

# Both containers have user namespaces of their own.
case_idmap() {
	local before
	printf 'lxc.idmap = %s 0 100000 65536\n' u g > "$DIR/more.conf"
	join_containers 100000:100000
	before=$(ends)
	away 0
	same_ends
	pings "$(pid_of "$B")" 10.99.0.1 fd99::1
}

other_netns() {
	[ "$(readlink "/proc/$HOLDER/ns/net")" != "$(readlink /proc/self/ns/net)" ]
}

lab_main "$@"
