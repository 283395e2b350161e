#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The network stays alive: what is connected to a container does not notice that it was away, and no
# reset and no "unreachable" passes on the bridge meanwhile.
# shellcheck source-path=SCRIPTDIR source=lab.sh
. "$(dirname "$0")/lab.sh"
# shellcheck source=peers.sh
. "$(dirname "$0")/peers.sh"

PORT=9
NETPEER=$OUT/zdtm/tools/netpeer

begin() { # [MORE ARGUMENTS OF netpeer IN THE CONTAINER]
	lab_create
	cp "$NETPEER" "/var/lib/lxc/$CT/rootfs/netpeer"
	echo "::once:/netpeer serve $PORT" >> "/var/lib/lxc/$CT/rootfs/etc/inittab"
	[ $# = 0 ] || echo "::once:/netpeer $*" >> "/var/lib/lxc/$CT/rootfs/etc/inittab"
	lab_start
	IP=$(lab_ip)
	watch_bridge
	wait_for 5 bash -c ": < /dev/tcp/$IP/$PORT" || fail "nothing listens in the container"
}

case_stream() {
	begin
	peer stream s "$IP" $PORT
	for t in 0 1.5 3; do
		peer_moves s "before it is away for $t s"
		away $t
	done
	peer_moves s "at the end"
	peer_ok s watch
}

case_idle() {
	begin
	peer idle i "$IP" $PORT 200
	peer_moves i
	away 0
	peer_moves i
	away 2
	peer_moves i
	peer_ok i watch
}

case_outwards() {
	peer accept a "$NET.1" 7777
	wait_for 5 test -e "$DIR/a.ready" || fail "no server outside"
	begin connect "$NET.1" 7777
	for t in 0 2; do
		peer_moves a
		away $t
	done
	peer_moves a
	peer_ok a watch
}

# Its client is connecting to a port that does not answer: the local and remote address, 02 for
# SYN-SENT. Dumps that fail and restores change nothing; when the server is there it has its client.
case_connecting() {
	local before
	lab_create
	cp "$NETPEER" "/var/lib/lxc/$CT/rootfs/netpeer"
	echo "while ! [ -e /go ]; do sleep 0.1; done; exec /netpeer connect $NET.1 7777" > "/var/lib/lxc/$CT/rootfs/client"
	echo "::once:/bin/sh /client" >> "/var/lib/lxc/$CT/rootfs/etc/inittab"
	lab_start
	peer watch watch "$BR"
	wait_for 5 test -e "$DIR/watch.ready" || fail "the bridge cannot be watched: $(cat "$DIR/watch.done")"
	in_net nft -f - <<-'END' || skip "no nft"
		table inet wall {
			chain out {
				type filter hook output priority 0;
				tcp dport 7777 drop
			}
		}
	END
	touch "/var/lib/lxc/$CT/rootfs/go"
	wait_for 10 connecting || fail "the client does not connect"
	before=$(connecting)
	for stage in objects memory inventory; do
		CTCR_FAIL_STAGE=$stage "$CTCR" dump --ct "$CT" -D "$DIR/bad" > "$DIR/bad.out" 2>&1 &&
			fail "the dump did not fail at $stage"
		[ "$(connecting)" = "$before" ] || fail "after the dump failed at $stage: $(connecting), was $before"
	done
	lab_dump "$DIR/run" --leave-running
	[ "$(connecting)" = "$before" ] || fail "with --leave-running: $(connecting), was $before"
	for t in 0 1; do
		away $t
		[ "$(connecting)" = "$before" ] || fail "restored: $(connecting), was $before"
	done
	peer accept a "$NET.1" 7777
	wait_for 5 test -e "$DIR/a.ready" || fail "no server outside"
	in_net nft delete table inet wall
	peer_moves a "when the server is there"
	[ "$(connecting 01)" = "${before%02}01" ] || fail "connected: $(connecting 01), was $before"
	away 0
	peer_moves a "at the end"
	peer_ok a watch
}

connecting() { # [STATE]: "LOCAL REMOTE STATE" of the TCP connection with port 7777
	awk -v state="${1:-02}" '$3 ~ /:1E61$/ && $4 == state { print $2, $3, $4 }' \
		"/proc/$(lxc-info -n "$CT" -p -H)/net/tcp" | grep .
}

case_half_closed() {
	begin
	peer closed-by-it it "$IP" $PORT
	peer_moves it
	peer closed-by-us us "$IP" $PORT
	peer_moves us
	away 0.5
	peer_moves it
	away 0
	peer_ok us it
	wait_for 5 test -e "/var/lib/lxc/$CT/rootfs/half.sum" || fail "the container has seen no end"
	[ "$(cat "/var/lib/lxc/$CT/rootfs/half.sum")" = "$(cat "$DIR/it.sum")" ] || fail "not all came through"
	peer_ok watch
}

case_ipv6() { # the DHCP client of the container flushes what LXC would set
	ip -6 addr add fd87::1/64 dev "$BR" nodad
	begin
	lxc-attach -n "$CT" -- /bin/sh -c 'ip -6 addr add fd87::2/64 dev eth0; ip -6 addr add fe80::2/64 dev eth0'
	wait_for 5 busybox ping6 -c 1 -W 1 fd87::2 || fail "no IPv6"
	wait_for 5 busybox ping6 -c 1 -W 1 -I "$BR" fe80::2 || fail "no link-local IPv6"
	peer stream global fd87::2 $PORT
	peer idle linklocal "fe80::2%$BR" $PORT 5
	for t in 0 2; do
		peer_moves global
		peer_moves linklocal
		away $t
	done
	peer_moves global
	peer_moves linklocal
	peer_ok global linklocal watch
}

# New connections all the time, also while it is dumped, away and restored: more than it can accept
# while it is being stopped.
case_fresh() {
	begin
	for p in f1 f2 f3 f4; do peer fresh $p "$IP" $PORT; done
	for t in 0 1 0 2; do
		peer_moves f1
		peer_moves f4
		away $t
	done
	peer_moves f1
	peer_moves f4
	peer_ok f1 f2 f3 f4 watch
}

# A server that does not accept: it sleeps.
WAITING=19

waiting_are() { # COUNT [PORT]
	[ "$(in_net ss -Hltn "sport = :${2:-$WAITING}" | awk '{ n += $2 } END { print n }')" = "$1" ]
}

begin_waiting() { # COUNT
	begin hold $WAITING
	wait_for 5 waiting_are 0 || fail "the second server does not listen"
	peer waiting w "$IP" $WAITING "$1"
	peer_moves w
	waiting_are "$1" || fail "not all $1 wait: $(in_net ss -ltn)"
}

end_waiting() { # COUNT
	wait_for 10 waiting_are "$1" || fail "at the end: $(in_net ss -ltn)"
	touch "$DIR/w.stop" "/var/lib/lxc/$CT/rootfs/go"
	peer_ok w watch
}

case_waiting() {
	begin_waiting 30
	for t in 0 1; do
		away $t
		waiting_are 30 || fail "restored: $(in_net ss -ltn)"
	done
	end_waiting 30
}

server() { # STOP or CONT
	kill -s "$1" "$(pgrep -f -x "/netpeer serve $PORT" -P "$(lxc-info -n "$CT" -p -H)")" ||
		fail "the server cannot be sent $1"
}

case_waiting_stopped() {
	begin
	server STOP
	peer waiting w "$IP" $PORT 30
	peer_moves w
	for t in 0 1; do
		away $t
		waiting_are 30 $PORT || fail "restored: $(in_net ss -ltn)"
	done
	touch "$DIR/w.stop"
	server CONT
	peer_ok w watch
}

case_waiting_many() {
	begin_waiting 500
	away 0
	end_waiting 500
}

# Dumps that fail late, or leave it running.
case_waiting_failures() {
	begin_waiting 30
	for stage in memory waiting inventory; do
		CTCR_FAIL_STAGE=$stage "$CTCR" dump --ct "$CT" -D "$DIR/bad" > "$DIR/bad.out" 2>&1 &&
			fail "the dump did not fail at $stage"
		waiting_are 30 || fail "after $stage failed: $(in_net ss -ltn)"
	done
	lab_dump "$DIR/run" --leave-running
	waiting_are 30 || fail "with --leave-running: $(in_net ss -ltn)"
	end_waiting 30
}

# A filter would drop what puts them back, should the dump fail: it is not begun, and nothing is lost.
case_waiting_strict_filter() {
	begin_waiting 5
	in_net nft -f - <<-END || skip "no nft"
		table inet own {
			chain in {
				type filter hook input priority 0; policy drop;
				iifname eth0 accept
			}
		}
	END
	"$CTCR" dump --ct "$CT" -D "$DIR/bad" > "$DIR/bad.out" 2>&1 && fail "the dump did not fail"
	grep -q "5 connections wait to be accepted (.*$NET.1:.*dropped by a filter" "$DIR/bad.out" ||
		fail "not told why: $(cat "$DIR/bad.out")"
	waiting_are 5 || fail "after the dump that was refused: $(in_net ss -ltn)"
	in_net nft add rule inet own in meta mark 0xc114 accept
	CTCR_FAIL_STAGE=inventory "$CTCR" dump --ct "$CT" -D "$DIR/bad" > "$DIR/bad.out" 2>&1 &&
		fail "the dump did not fail at inventory"
	waiting_are 5 || fail "after a dump that failed: $(in_net ss -ltn)"
	away 0
	end_waiting 5
}

# With another address they are given up, with a line for each.
case_waiting_other_address() {
	local lines
	begin_waiting 3
	lab_dump "$DIR/img"
	lab_restore "$DIR/img" --ip "eth0=$NET.201/24"
	lines=$(grep -c "TCP connection of .*$IP.* with .*$NET.1.*given up, --ip" "$DIR/img/restore.log")
	[ "$lines" = 3 ] || fail "$lines lines of connections given up: $(cat "$DIR/img/restore.log")"
	waiting_are 0 || fail "restored: $(in_net ss -ltn)"
	IP=$NET.201
	peer waiting n "$IP" $WAITING 3
	peer_moves n
	touch "/var/lib/lxc/$CT/rootfs/go"
	peer_ok n
}

# ctcr is killed at any moment; every second time while it holds the connections.
case_waiting_killed() {
	local pid
	begin_waiting 30
	# shellcheck disable=SC2016
	printf '#!/bin/sh\n[ "$CRTOOLS_SCRIPT_ACTION" != post-dump ] || { touch %s; sleep 0.2; false; }\n' \
		"$DIR/held" > "$DIR/hook"
	chmod 755 "$DIR/hook"
	for i in {1..50}; do
		rm -rf "$DIR/killed" "$DIR/held"
		"$CTCR" dump --ct "$CT" -D "$DIR/killed" --action-script "$DIR/hook" > "$DIR/bad.out" 2>&1 &
		pid=$!
		if [ $((i % 2)) = 0 ]; then
			wait_for 10 test -e "$DIR/held"
		else
			sleep "0.$(printf %03d $((RANDOM % 300)))"
		fi
		kill -9 $pid 2> /dev/null
		wait $pid 2> /dev/null
		lab_is RUNNING || fail "killed $i times, it is $(lab_state)"
		wait_for 10 waiting_are 30 || fail "killed $i times: $(in_net ss -ltn)"
	done
	end_waiting 30
}

case_udp() {
	begin
	peer udp u "$IP" $PORT
	for t in 0 1; do
		peer_moves u
		away $t
	done
	peer_moves u
	peer_ok u watch
}

# A dump that is killed while it reads a connection leaves none silent.
case_killed() {
	local i
	begin
	peer stream s "$IP" $PORT
	peer idle i "$IP" $PORT 200
	peer_moves s
	for i in $(seq 60); do
		"$CTCR" dump --ct "$CT" -D "$DIR/k$i" --leave-running > "$DIR/out" 2>&1 &
		pid=$!
		sleep "0.$(printf %03d $((RANDOM % 150)))"
		kill -9 $pid 2> /dev/null
		wait $pid 2> /dev/null
		rm -rf "$DIR/k$i"
		[ ! -e "$DIR/s.done" ] && [ ! -e "$DIR/i.done" ] || fail "kill $i: $(cat "$DIR"/[si].done)"
	done
	peer_moves s "after the kills"
	peer_moves i "after the kills"
	away 0
	peer_moves s
	peer_ok s i watch
}

# Dumps and restores that fail, and a dump that leaves it running.
case_failures() {
	begin
	peer stream s "$IP" $PORT
	peer idle i "$IP" $PORT 20
	peer_moves i
	for stage in freeze netlock infect objects world memory inventory; do
		CTCR_FAIL_STAGE=$stage "$CTCR" dump --ct "$CT" -D "$DIR/bad" > "$DIR/bad.out" 2>&1 &&
			fail "the dump did not fail at $stage"
		peer_moves s "after the dump failed at $stage"
	done
	lab_dump "$DIR/run" --leave-running
	peer_moves s "with --leave-running"
	lab_dump "$DIR/img"
	for stage in world objects become arm; do
		CTCR_FAIL_STAGE=$stage "$CTCR" restore --ct "$CT" --veth-pair -D "$DIR/img" > "$DIR/bad.out" 2>&1 &&
			fail "the restore did not fail at $stage"
		lab_is STOPPED || fail "after a failed restore it is $(lab_state)"
	done
	lab_restore "$DIR/img"
	peer_moves s "at the end"
	peer_moves i "at the end"
	peer_ok s i watch
}

hook_kills() { # ACTION: at that, the script "$DIR/hook" kills ctcr
	# shellcheck disable=SC2016
	printf '#!/bin/sh\n[ "$CRTOOLS_SCRIPT_ACTION" != %s ] || kill -9 $PPID\n' "$1" > "$DIR/hook"
	chmod 755 "$DIR/hook"
}

# A restore that is killed when its sockets are no longer in repair mode: what is closed then is closed in
# silence, and the next restore finds the peers where they were.
case_restore_killed() {
	begin
	peer stream s "$IP" $PORT
	peer idle i "$IP" $PORT 20
	peer closed-by-it h "$IP" $PORT
	peer_moves s
	peer_moves i
	lab_dump "$DIR/img"
	hook_kills post-restore
	for i in 1 2 3; do
		"$CTCR" restore --ct "$CT" --veth-pair -D "$DIR/img" --action-script "$DIR/hook" > "$DIR/bad.out" 2>&1 &&
			fail "the restore was not killed"
		wait_for 10 lab_is STOPPED || fail "a killed restore left it $(lab_state)"
		wait_for 10 no_links || fail "a killed restore left $(ip -br link show master "$BR")"
		[ ! -e "$DIR/s.done" ] && [ ! -e "$DIR/i.done" ] || fail "kill $i: $(cat "$DIR"/[si].done)"
	done
	lab_restore "$DIR/img"
	peer_moves s "at the end"
	peer_moves i "at the end"
	peer_ok s i h watch
}

# After the commit the container lives, whatever happens to ctcr: its network is there, and unlocked.
case_restore_killed_late() {
	begin
	peer stream s "$IP" $PORT
	peer idle i "$IP" $PORT 20
	peer_moves s
	peer_moves i
	lab_dump "$DIR/img"
	hook_kills network-unlock
	"$CTCR" restore --ct "$CT" --veth-pair --no-lxc-monitor -d --pidfile "$DIR/pid" -D "$DIR/img" \
		--action-script "$DIR/hook" > "$DIR/bad.out" 2>&1 && fail "the restore was not killed"
	peer_moves s "at the end"
	peer_moves i "at the end"
	peer_ok s i watch
}

no_links() {
	! ip -br link show master "$BR" | grep -q .
}

host2() { # a command on the second host
	nsenter --net="/run/netns/$HOST2" "$@"
}

own_down() {
	[ ! -s "$DIR/pid" ] || standalone_end
	[ -z "${HOST2:-}" ] || host2 lxc-stop -k -n "$CT" -P "$DIR/lxc" > /dev/null 2>&1
	[ -z "${CABLE:-}" ] || ip link del "$CABLE"
	[ -z "${BR2:-}" ] || ip link del "$BR2"
	[ -z "${HOST2:-}" ] || ip netns del "$HOST2"
}

# The other end under a given name on another bridge, and neighbours are told.
case_other_bridge() {
	BR2=${BR}b
	begin
	cable "" "$BR2"
	peer stream s "$IP" $PORT
	peer_moves s
	lab_dump "$DIR/img"
	rm -f "$DIR/watch.arp"
	"$CTCR" restore --ct "$CT" --veth-pair "eth0=${BR}z@$BR2" -D "$DIR/img" > "$DIR/out" 2>&1 ||
		fail "restore: $(cat "$DIR/out")"
	[ "$(ip -br link show master "$BR2" | sed -n "s/^\\(${BR}z\\)@.*/\\1/p")" = "${BR}z" ] ||
		fail "on the bridge: $(ip -br link show master "$BR2")"
	wait_for 5 grep -qxF "$IP" "$DIR/watch.arp" || fail "no gratuitous ARP request"
	peer_moves s "on the other bridge"
	peer_ok s watch
}

# The other address: what listens has it, connections of the old one are closed, with a line for each.
case_other_address() {
	local lines
	begin
	peer idle old "$IP" $PORT 3
	peer_moves old
	lab_dump "$DIR/img"
	lab_restore "$DIR/img" --ip "eth0=$NET.201/24"
	[ "$(lab_ip)" = "$NET.201" ] || fail "it has $(lab_ip)"
	lines=$(grep -c "TCP connection of .*$IP.* with .*$NET.1.*restored as closed" "$DIR/img/restore.log")
	[ "$lines" = 3 ] || fail "$lines lines of closed connections: $(cat "$DIR/img/restore.log")"
	IP=$NET.201
	peer stream new "$IP" $PORT
	peer_moves new
	away 0
	peer_moves new
	peer_ok new
	wait_for 5 busybox ping -c 1 -W 1 "$NET.201" || fail "no ping"
}

# To another host by hand: its own network namespace, bridge and LXC path.
migrate() { # OPTIONS OF THE RESTORE
	HOST2=$CT
	ip netns add "$HOST2"
	cable "$HOST2" "$BR"
	begin
	peer stream s "$IP" $PORT
	peer idle i "$IP" $PORT 20
	peer_moves s
	peer_moves i
	lab_dump "$DIR/img"
	mkdir -p "$DIR/lxc"
	cp -a "/var/lib/lxc/$CT" "$DIR/lxc/"
	sed -i "s|/var/lib/lxc/$CT|$DIR/lxc/$CT|" "$DIR/lxc/$CT/config"
	cp -a "$DIR/img" "$DIR/img2"
	rm -rf "$DIR/img"
	host2 "$CTCR" restore --ct "$CT" -P "$DIR/lxc" --veth-pair -D "$DIR/img2" "$@" > "$DIR/out" 2>&1 ||
		fail "restore: $(cat "$DIR/out" "$DIR/img2/restore.log")"
	peer_moves s "on the other host"
	peer_moves i "on the other host"
	peer_ok s i watch
}

case_migrate() {
	migrate
	[ "$(host2 lxc-info -n "$CT" -P "$DIR/lxc" -s -H)" = RUNNING ] || fail "LXC there does not know of it"
	host2 lxc-stop -k -n "$CT" -P "$DIR/lxc" || fail "lxc-stop"
}

case_migrate_standalone() {
	migrate --no-lxc-monitor -d --pidfile "$DIR/pid"
	standalone_end || fail "its cgroups cannot be removed"
}

standalone_end() {
	kill -9 "$(cat "$DIR/pid")"
	rm "$DIR/pid"
	wait_for 5 standalone_gone
}

standalone_gone() {
	find /sys/fs/cgroup -depth -type d -path "*lxc.*.$CT*" -exec rmdir {} + 2> /dev/null
	! find /sys/fs/cgroup -type d -name "lxc.*.$CT*" 2> /dev/null | grep -q .
}

case_own_filter() {
	local before
	begin
	in_net nft -f - <<-END || skip "no nft"
		table inet own {
			chain in {
				type filter hook input priority 0; policy drop;
				ct state established,related accept
				iif lo accept
				meta l4proto { icmp, ipv6-icmp } accept
				tcp dport $PORT ct state new counter accept
			}
			chain out {
				type filter hook output priority 0; policy drop;
				ct state established,related accept
				meta l4proto { icmp, ipv6-icmp } accept
			}
		}
	END
	before=$(in_net nft list ruleset | sed 's/packets.*accept/accept/')
	peer stream s "$IP" $PORT
	peer closed-by-it it "$IP" $PORT
	peer fresh f "$IP" $PORT
	peer_moves it
	peer_moves s
	peer closed-by-us us "$IP" $PORT
	peer_moves us
	for t in 0 1; do
		peer_moves f
		peer_moves s
		away $t
	done
	peer_moves f
	peer_moves s
	peer_ok us it f s
	[ "$(in_net nft list ruleset | sed 's/packets.*accept/accept/')" = "$before" ] ||
		fail "the ruleset is $(in_net nft list ruleset), it was $before"
	peer_ok watch
}

# A filter that looks at no state, takes nothing from addresses of others on the loopback device, and a port that
# is redirected: what is said to its sockets when they are made is no business of theirs.
case_strict_filter() {
	local before
	begin
	in_net nft -f - <<-END || skip "no nft"
		table inet own {
			chain in {
				type filter hook input priority 0; policy drop;
				iif lo ip saddr 127.0.0.0/8 accept
				iifname eth0 tcp dport { $PORT, $((PORT + 1)) } accept
				meta l4proto { icmp, ipv6-icmp } accept
			}
			chain out {
				type filter hook output priority 0; policy drop;
				oifname eth0 tcp sport { $PORT, $((PORT + 1)) } accept
				meta l4proto { icmp, ipv6-icmp } accept
			}
			chain nat {
				type nat hook prerouting priority dstnat;
				tcp dport $((PORT + 1)) redirect to :$PORT
			}
		}
	END
	before=$(in_net nft list ruleset)
	for p in $PORT $((PORT + 1)); do
		peer closed-by-it "it$p" "$IP" "$p"
		peer_moves "it$p"
		peer closed-by-us "us$p" "$IP" "$p"
		peer_moves "us$p"
		peer stream "s$p" "$IP" "$p"
	done
	for t in 0 1; do
		peer_moves "it$PORT"
		peer_moves "it$((PORT + 1))"
		away $t
	done
	for p in $PORT $((PORT + 1)); do peer_ok "us$p" "it$p" "s$p"; done
	[ "$(in_net nft list ruleset)" = "$before" ] || fail "the ruleset is $(in_net nft list ruleset), it was $before"
	peer_ok watch
}

# As containers in a container have it: a server in a network of its own, reached by a translated address.
case_nat() {
	local inner
	lab_create
	cp "$NETPEER" "/var/lib/lxc/$CT/rootfs/netpeer"
	echo "::once:/bin/unshare -n /netpeer serve $PORT" >> "/var/lib/lxc/$CT/rootfs/etc/inittab"
	lab_start
	IP=$(lab_ip)
	watch_bridge
	wait_for 5 inner_server || fail "no server in a network of its own"
	inner=$(inner_server)
	in_net ip link add in0 type veth peer name in1 netns "$inner"
	in_net ip addr add 10.50.0.1/24 dev in0
	in_net ip link set in0 up
	nsenter -n -t "$inner" ip addr add 10.50.0.2/24 dev in1
	nsenter -n -t "$inner" ip link set in1 up
	nsenter -n -t "$inner" ip route add default via 10.50.0.1
	in_net sysctl -qw net.ipv4.ip_forward=1
	in_net nft -f - <<-END || skip "no nft"
		table ip nat {
			chain pre { type nat hook prerouting priority dstnat; tcp dport 1099 dnat to 10.50.0.2:$PORT; }
			chain post { type nat hook postrouting priority srcnat; oifname { in0, eth0 } masquerade; }
		}
		table inet f {
			chain through {
				type filter hook forward priority 0; policy drop;
				ct state invalid drop
				ct state established accept
				ct status dnat accept
			}
		}
	END
	peer stream s "$IP" 1099
	peer closed-by-it it "$IP" 1099
	peer closed-by-us us "$IP" 1099
	peer idle i "$IP" 1099 5
	for p in s it us i; do peer_moves $p; done
	"$CTCR" dump --ct "$CT" -D "$DIR/bad" > "$DIR/bad.out" 2>&1 && fail "dumped without a loopback device"
	grep -q "half-closed TCP connection with .*set lo up" "$DIR/bad.out" || fail "not told why: $(cat "$DIR/bad.out")"
	nsenter -n -t "$inner" ip link set lo up
	for t in 0 1; do
		away $t
		peer_moves s
		peer_moves i
	done
	peer_ok s it us i watch
}

inner_server() { # its pid; what it was before it had its own network is no answer
	local init p
	init=$(lxc-info -n "$CT" -p -H)
	for p in $(pgrep -f -x "/netpeer serve $PORT" -P "$init"); do
		[ "$(readlink "/proc/$p/ns/net")" = "$(readlink "/proc/$init/ns/net")" ] || { echo "$p"; return; }
	done
	return 1
}

# The same as own_filter by the legacy iptables.
case_own_filter_legacy() {
	local before f
	ip -6 addr add "fd89:$net::1/64" dev "$BR" nodad
	begin
	for f in iptables-legacy ip6tables-legacy; do
		in_net "$f" -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT || skip "no $f"
		in_net "$f" -A INPUT -i lo -j ACCEPT
		in_net "$f" -A INPUT -p icmp -j ACCEPT
		in_net "$f" -A INPUT -p ipv6-icmp -j ACCEPT
		in_net "$f" -A INPUT -p tcp --dport $PORT -m conntrack --ctstate NEW -j ACCEPT
		in_net "$f" -A OUTPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
		in_net "$f" -A OUTPUT -p ipv6-icmp -j ACCEPT
		in_net "$f" -P INPUT DROP
		in_net "$f" -P OUTPUT DROP
	done
	in_net ip -6 addr add "fd89:$net::2/64" dev eth0 nodad
	before=$(in_net iptables-legacy -S; in_net ip6tables-legacy -S)
	peer stream s4 "$IP" $PORT
	peer stream s6 "fd89:$net::2" $PORT
	for t in 0 1; do
		peer_moves s4
		peer_moves s6
		away $t
	done
	peer_moves s4
	peer_moves s6
	[ "$(in_net iptables-legacy -S; in_net ip6tables-legacy -S)" = "$before" ] || fail "the rules are others"
	peer_ok s4 s6 watch
}

lab_main "$@"
