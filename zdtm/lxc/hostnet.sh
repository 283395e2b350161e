#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A container without a network namespace of its own (lxc.net.0.type = none): its connections alone are
# locked, and held while it is away. "The host" is a network namespace of ours, behind a cable to the bridge.
# shellcheck source-path=SCRIPTDIR source=lab.sh
. "$(dirname "$0")/lab.sh"
# shellcheck source=peers.sh
. "$(dirname "$0")/peers.sh"

PORT=9
NETPEER=$OUT/zdtm/tools/netpeer
NET6=fd88:$net # of our own: other tests run beside
HOST=$CT

on_host() {
	if [ -e "/run/netns/$HOST" ]; then nsenter --net="/run/netns/$HOST" "$@"; else command "$@"; fi
}

lxc-info() {
	on_host lxc-info "$@"
}

own_down() {
	[ -e "/run/netns/$HOST" ] || return 0
	[ ! -e "$DIR/standalone" ] || standalone_end
	on_host lxc-stop -k -n "$CT" > /dev/null 2>&1
	[ ! -s "$DIR/nc.pid" ] || kill "$(cat "$DIR/nc.pid")"
	ip link del "${BR}x" 2> /dev/null
	ip netns del "$HOST"
}

make_host() {
	ip netns add "$HOST"
	ip link add "${BR}x" type veth peer name eth0 netns "$HOST"
	ip link set "${BR}x" master "$BR" up
	ip -6 addr add $NET6::1/64 dev "$BR" nodad
	ip -n "$HOST" link set lo up
	ip -n "$HOST" addr add "$NET.2/24" dev eth0
	ip -n "$HOST" -6 addr add $NET6::2/64 dev eth0 nodad
	ip -n "$HOST" link set eth0 up
	printf '#!/bin/sh\nexec nsenter --net=/run/netns/%s %s "$@"\n' "$HOST" "$CTCR" > "$DIR/ctcr"
	chmod +x "$DIR/ctcr"
	CTCR=$DIR/ctcr
}

begin() { # [MORE ARGUMENTS OF netpeer IN THE CONTAINER]
	make_host
	echo 'lxc.net.0.type = none' > "$DIR/net.conf"
	lab_create
	# never a DHCP client: it would ask for an address of the host's
	printf '#!/bin/sh\n/bin/syslogd\n/bin/mount -a\n' > "/var/lib/lxc/$CT/rootfs/etc/init.d/rcS"
	cp "$NETPEER" "/var/lib/lxc/$CT/rootfs/netpeer"
	echo "::once:/netpeer serve $PORT" >> "/var/lib/lxc/$CT/rootfs/etc/inittab"
	[ $# = 0 ] || echo "::once:/netpeer $*" >> "/var/lib/lxc/$CT/rootfs/etc/inittab"
	on_host lxc-start -n "$CT" -o "$DIR/start.log" || { cat "$DIR/start.log"; fail "lxc-start"; }
	wait_for 5 test -s "/var/lib/lxc/$CT/rootfs/count.now" || fail "the counter does not start"
	wait_for 10 bash -c ": < /dev/tcp/$NET.2/$PORT" || fail "nothing listens in the container"
	wait_for 10 bash -c ": < /dev/tcp/$NET6::2/$PORT" || fail "no IPv6: $(ip -6 route; ip -6 neigh; on_host ip -6 addr; on_host ip -6 neigh)"
	watch_bridge
}

tables() {
	on_host nft list tables | grep "ctcr-$1"
}

away() { # SECONDS
	rm -rf "$DIR/img"
	lab_dump "$DIR/img"
	[ "$(tables hold | wc -l)" = 1 ] || fail "the connections are not held: $(on_host nft list tables)"
	sleep "$1"
	lab_restore "$DIR/img"
	! tables '' || fail "left after the restore"
	lab_counts_on
}

case_connections() {
	peer accept a "$NET.1" 7777
	wait_for 5 test -e "$DIR/a.ready" || fail "no server outside"
	begin connect "$NET.1" 7777
	peer stream s4 "$NET.2" $PORT
	peer stream s6 $NET6::2 $PORT
	peer idle i "$NET.2" $PORT 100
	peer closed-by-it it $NET6::2 $PORT
	for t in 0 2; do
		for p in a s4 s6 i it; do peer_moves $p "before it is away for $t s"; done
		away $t
	done
	for p in a s4 s6 i it; do peer_moves $p "at the end"; done
	peer_ok a s4 s6 i it watch
}

# What the user's own firewall says and what others do on the host is left alone.
case_host_goes_on() {
	local before
	begin
	on_host nft -f - <<-END || skip "no nft"
		table inet own {
			chain in {
				type filter hook input priority 0; policy drop;
				ct state established,related accept
				iif lo accept
				meta l4proto { icmp, ipv6-icmp } accept
				tcp dport { $PORT, 10 } ct state new accept
			}
		}
	END
	before=$(on_host nft list ruleset)
	(exec nsenter --net="/run/netns/$HOST" "$NETPEER" serve 10) &
	echo $! > "$DIR/nc.pid"
	wait_for 10 bash -c ": < /dev/tcp/$NET.2/10" || fail "nothing else listens on the host"
	peer stream other "$NET.2" 10
	peer stream s "$NET.2" $PORT
	peer_moves other before
	peer_moves s before
	lab_dump "$DIR/img"
	peer_moves other "while the container is away"
	lab_restore "$DIR/img"
	peer_moves other "after the restore"
	peer_moves s "after the restore"
	[ "$(on_host nft list ruleset)" = "$before" ] || fail "rules: $(on_host nft list ruleset)"
	peer_ok other s watch
}

case_taken() {
	begin
	peer stream s "$NET.2" $PORT
	peer_moves s before
	lab_dump "$DIR/img"
	(exec nsenter --net="/run/netns/$HOST" "$NETPEER" serve $PORT) &
	echo $! > "$DIR/nc.pid"
	wait_for 10 bash -c ": < /dev/tcp/$NET.2/$PORT" || fail "the other one does not listen"
	"$CTCR" restore --ct "$CT" -D "$DIR/img" > "$DIR/out" 2>&1 && fail "restored beside another server"
	grep -q "$PORT is taken on this host" "$DIR/out" || fail "no word of the port: $(cat "$DIR/out")"
	[ "$(tables hold | wc -l)" = 1 ] || fail "no more held after a restore that failed"
	kill "$(cat "$DIR/nc.pid")"
	rm "$DIR/nc.pid"
	wait_for 10 lab_restores || fail "restore: $(cat "$DIR/out")"
	peer_moves s "in the end"
	peer_ok s watch
}

lab_restores() {
	"$CTCR" restore --ct "$CT" -D "$DIR/img" > "$DIR/out" 2>&1
}

killed() { # ARGUMENTS OF ctcr: after a random time
	(exec nsenter --net="/run/netns/$HOST" "$OUT/ctcr" "$@") > "$DIR/out" 2>&1 &
	pid=$!
	sleep "0.$(printf %03d $((RANDOM % 150)))"
	kill -9 $pid 2> /dev/null
	wait $pid 2> /dev/null
}

no_lock() {
	! tables '[0-9]'
}

case_killed() {
	local i
	begin
	peer stream s4 "$NET.2" $PORT
	peer stream s6 "$NET6::2" $PORT
	for i in $(seq 100); do
		killed dump --ct "$CT" -D "$DIR/k$i" --leave-running
		wait_for 5 no_lock || fail "dump killed $i: $(tables '')"
		! tables hold || fail "dump killed $i: held"
		rm -rf "$DIR/k$i"
	done
	peer_moves s4 "after 100 kills"
	peer_moves s6 "after 100 kills"
	lab_dump "$DIR/img"
	for i in $(seq 30); do
		killed restore --ct "$CT" -D "$DIR/img" --no-lxc-monitor -d
		wait_for 5 no_lock || fail "restore killed $i: $(tables '')"
		if ! tables hold > /dev/null; then # it was over before
			touch "$DIR/standalone"
			break
		fi
		wait_for 5 nobody || fail "restore killed $i: somebody is left"
	done
	tables hold > /dev/null && lab_restore "$DIR/img"
	peer_moves s4 "in the end"
	peer_moves s6 "in the end"
	peer_ok s4 s6 watch
}

# Killed at each point from the commit to the end; see kills.sh.
case_killed_at_the_end() {
	make_host
	echo 'lxc.net.0.type = none' > "$DIR/net.conf"
	echo "lxc.init.cmd = /netpeer serve $PORT" > "$DIR/more.conf"
	lab_create
	cp "$NETPEER" "/var/lib/lxc/$CT/rootfs/netpeer"
	on_host lxc-start -n "$CT" -o "$DIR/start.log" || { cat "$DIR/start.log"; fail "lxc-start"; }
	wait_for 10 bash -c ": < /dev/tcp/$NET.2/$PORT" || fail "nothing listens in the container"
	python3 "$LAB_TOP/zdtm/lxc/kills.py" end "$CT" "$NET.2" $PORT "$DIR" "$HOST" || exit 1
}

# What a restore without LXC's monitor has made: LXC knows nothing of it.
standalone_end() {
	local p
	while read -r p; do
		kill -9 "$p" 2> /dev/null
	done < "/sys/fs/cgroup/pids/lxc.payload.$CT/cgroup.procs"
	wait_for 5 nobody
	find /sys/fs/cgroup -depth -type d -path "*lxc.payload.$CT*" -exec rmdir {} + 2> /dev/null
	rm -rf "/run/ctcr/$CT"
}

nobody() {
	[ -z "$(cat "/sys/fs/cgroup/pids/lxc.payload.$CT"*/cgroup.procs 2> /dev/null)" ]
}

# Two containers in one network namespace, which is neither's alone.
case_not_alone() {
	local ct
	lab_create
	lab_start
	printf 'lxc.namespace.share.net = %s\n' "$CT" > "$DIR/net.conf"
	lab_create "${CT}b"
	lab_lxc_start -n "${CT}b" -o "$DIR/start.log" || { cat "$DIR/start.log"; fail "lxc-start"; }
	wait_for 5 test -s "/var/lib/lxc/${CT}b/rootfs/count.now" || fail "the counter does not start"
	for ct in "$CT" "${CT}b"; do
		"$CTCR" check --ct "$ct" > "$DIR/out" 2>&1 && fail "$ct can be dumped"
		grep -q 'is shared with pid [0-9]* of another container' "$DIR/out" || fail "$ct: $(cat "$DIR/out")"
	done
	lxc-stop -k -n "${CT}b"
	lab_dump "$DIR/img"
	lab_restore "$DIR/img"
}

lab_main "$@"
