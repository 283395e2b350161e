# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The end-to-end lab, sourced by the tests beside it: a bridge with a DHCP server, stock containers,
# clean-up, and a check that nothing of them is left.
#
# A test file defines functions case_NAME and ends with `lab_main "$@"`; "list" prints the names.
set -u
LAB_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
case ${O:=build} in /*) OUT=$O ;; *) OUT=$LAB_TOP/$O ;; esac
CTCR=${CTCR:-$OUT/ctcr}
LAB=${LAB:-l$$x} # no such name begins another
BR=ctcr$LAB
net=$((${$} % 200 + 20))
while ip -4 -br addr | grep -q " 10\.87\.$net\."; do net=$((net % 230 + 1)); done
NET=10.87.$net
DIR=/var/tmp/ctcr-lab.$LAB
CT=ctcr-$LAB

fail() {
	echo "FAILED: $*"
	exit 1
}

skip() {
	echo "$*"
	exit 77
}

# wait_for SECONDS COMMAND...: until it succeeds. SECONDS are those of an idle machine: it is given six
# times as long, as only what fails ever waits that long.
wait_for() {
	local end=$((SECONDS + 6 * $1))
	shift
	until "$@" > /dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
}

lab_up() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	command -v lxc-create > /dev/null || skip "LXC is not installed"
	mkdir -p "$DIR"
	ip link add "$BR" type bridge
	ip addr add "$NET.1/24" dev "$BR"
	ip link set "$BR" up
	dnsmasq --conf-file=/dev/null --interface="$BR" --except-interface=lo --bind-interfaces --port=0 \
		--dhcp-range="$NET.50,$NET.99,255.255.255.0,1h" --dhcp-leasefile="$DIR/leases" \
		--pid-file="$DIR/dnsmasq.pid" --user=root
	printf 'lxc.net.0.type = veth\nlxc.net.0.link = %s\nlxc.net.0.flags = up\n' "$BR" > "$DIR/net.conf"
}

# lab_create [NAME]: the stock busybox container; only its bridge is ours. More lines of configuration
# are read from $DIR/more.conf.
lab_create() {
	local ct=${1:-$CT}
	lxc-create -n "$ct" -f "$DIR/net.conf" -t busybox > "$DIR/create.log" 2>&1 || {
		cat "$DIR/create.log"
		fail "lxc-create"
	}
	[ ! -e "$DIR/more.conf" ] || cat "$DIR/more.conf" >> "/var/lib/lxc/$ct/config"
	cat > "/var/lib/lxc/$ct/rootfs/count" <<-'END'
		i=0
		while :; do i=$((i + 1)); echo $i > /count.new; mv /count.new /count.now; sleep 0.05; done
	END
	printf '::once:/bin/sh /count\n::once:/bin/nc -ll -p 7 -e /bin/cat\n' >> "/var/lib/lxc/$ct/rootfs/etc/inittab"
}

# lxc-start; with lxc.idmap it needs subordinate ids for root, whether or not this host's root has some.
lab_lxc_start() {
	grep -qs idmap "$DIR/more.conf" || { lxc-start "$@"; return; }
	echo root:100000:65536 > "$DIR/subids"
	unshare -m --propagation slave sh -c 'mount --bind "$0" /etc/subuid && mount --bind "$0" /etc/subgid &&
		exec lxc-start "$@"' "$DIR/subids" "$@"
}

lab_start() {
	local ct=${1:-$CT}
	lab_lxc_start -n "$ct" -o "$DIR/start.log" || { cat "$DIR/start.log"; fail "lxc-start"; }
	wait_for 15 lab_ip "$ct" || fail "no address by DHCP: $(lxc-attach -n "$ct" -- ps)"
	wait_for 5 test -s "/var/lib/lxc/$ct/rootfs/count.now" || fail "the counter does not start"
}

lab_ip() {
	lxc-attach -n "${1:-$CT}" -- /bin/ip -4 addr show eth0 2> /dev/null |
		sed -n 's/.*inet \([0-9.]*\).*/\1/p' | grep .
}

lab_state() {
	lxc-info -n "${1:-$CT}" -s -H
}

lab_is() { # STATE [NAME]
	[ "$(lab_state "${2:-$CT}")" = "$1" ]
}

lab_count() {
	cat "/var/lib/lxc/${1:-$CT}/rootfs/count.now"
}

# The container's processes, as it sees them.
lab_ps() {
	lxc-attach -n "${1:-$CT}" -- /bin/ps | grep -v '/bin/ps' | sort -n
}

lab_net() {
	lxc-attach -n "${1:-$CT}" -- /bin/sh -c 'ip addr; ip route; ip -6 route; cat /proc/net/if_inet6' |
		sed 's/@if[0-9]*//; s/link-netnsid [0-9]*//'
}

lab_dump() {
	"$CTCR" dump --ct "$CT" -D "$1" "${@:2}" > "$DIR/dump.out" 2>&1 ||
		{ cat "$DIR/dump.out"; tail -20 "$1/dump.log"; fail "dump"; }
}

lab_restore() {
	"$CTCR" restore --ct "$CT" --veth-pair -D "$1" "${@:2}" > "$DIR/restore.out" 2>&1 ||
		{ cat "$DIR/restore.out"; tail -20 "$1/restore.log"; fail "restore"; }
}

# Dump, restore, and look whether it lives.
lab_there_and_back() {
	lab_dump "$DIR/img"
	[ "$(lab_state)" = STOPPED ] || fail "after the dump it is $(lab_state)"
	lab_restore "$DIR/img" "$@"
	[ "$(lab_state)" = RUNNING ] || fail "after the restore it is $(lab_state)"
	lab_counts_on
}

lab_ping() {
	busybox ping -c 1 -W 3 "$(lab_ip)" > /dev/null || fail "no ping${1:+: $1}"
}

lab_counts_on() {
	local was
	was=$(lab_count)
	wait_for 5 lab_more_than "$was" && return
	lab_diagnosis
	fail "the counter stands at $was; it says $(lab_count)"
}

lab_more_than() {
	[ "$(lab_count)" -gt "$1" ]
}

lab_pids() {
	find "/sys/fs/cgroup/pids/lxc.payload.$CT" -name cgroup.procs -exec cat {} + | sort -n
}

# All there is to know of a container that does not go on, thread by thread: what it waits for, signals,
# who traces it, when it ran last; whether the container is frozen; the load.
lab_diagnosis() {
	local p t
	echo "load $(cat /proc/loadavg); $CT is $(lab_state), frozen: $(cat "/sys/fs/cgroup/freezer/lxc.payload.$CT/freezer.state" \
		"/sys/fs/cgroup/unified/lxc.payload.$CT/cgroup.events" 2> /dev/null | tr '\n' ' ')"
	for p in $(lab_pids); do
		echo "$p $(tr '\0' ' ' < "/proc/$p/cmdline" | cut -c1-100) clocks: $(tr -s ' \n' ' ' < "/proc/$p/timens_offsets")"
		for t in "/proc/$p/task/"*; do
			echo "  ${t##*/}: $(sed -n 's/\t/ /; /^\(State\|TracerPid\|Sig[PBIC]\|Shd\)/p' "$t/status" | tr '\n' ' ')"
			echo "    in $(cat "$t/wchan") $(cut -d' ' -f1-4 "$t/syscall") ticks $(cut -d' ' -f14,15 "$t/stat")" \
				"stack $(cut -d' ' -f2 "$t/stack" | tr '\n' ' ')"
		done
	done 2> /dev/null
	tail -n 3 "$DIR/dump.out" "$DIR/restore.out" 2> /dev/null
}

# What a container leaves when it is gone must be nothing.
lab_leaks() {
	local bad=0 left
	left=$(find /sys/fs/cgroup -type d -name "lxc.*.$CT*" 2> /dev/null)
	[ -z "$left" ] || { echo "cgroups left: $left"; bad=1; }
	left=$(ip -br link show master "$BR" 2> /dev/null)
	[ -z "$left" ] || { echo "links left: $left"; bad=1; }
	left=$(grep -F "$CT" /proc/self/mountinfo)
	[ -z "$left" ] || { echo "mounts left: $left"; bad=1; }
	left=$(ls -d "/run/ctcr/$CT"* 2> /dev/null)
	[ -z "$left" ] || { echo "files left: $left"; bad=1; }
	left=$(nft list tables 2> /dev/null | grep ctcr)
	[ -z "$left" ] || { echo "nft tables left: $left"; bad=1; }
	left=$(grep -lF "$CT" /proc/[0-9]*/cmdline 2> /dev/null | grep -v "/$$/\|/self/")
	for f in $left; do
		left=$(tr '\0' ' ' 2> /dev/null < "$f") || continue
		case $left in
		*"[lxc monitor]"* | *ctcr*keeper*) echo "process left: $f $left"; bad=1 ;;
		esac
	done
	return $bad
}

lab_down() {
	local status=$? ct
	trap - EXIT
	if declare -F own_down > /dev/null; then own_down; fi # of the test file
	# shellcheck disable=SC2046
	kill $(jobs -p) 2> /dev/null
	for ct in "/var/lib/lxc/$CT"*; do
		[ -d "$ct" ] || continue
		ct=${ct##*/}
		lxc-stop -k -n "$ct" > /dev/null 2>&1
		wait_for 10 lab_is STOPPED "$ct"
		lxc-destroy -n "$ct" > /dev/null 2>&1
	done
	wait_for 5 lab_leaks || { lab_leaks; [ $status != 0 ] || status=1; }
	[ ! -s "$DIR/dnsmasq.pid" ] || kill "$(cat "$DIR/dnsmasq.pid")"
	ip link del "$BR" 2> /dev/null
	rm -rf "$DIR"
	exit $status
}

lab_main() {
	if [ "${1:-list}" = list ]; then
		compgen -A function | sed -n 's/^case_//p'
		return
	fi
	trap lab_down EXIT
	trap 'exit 1' HUP INT TERM
	lab_up
	"case_$1"
}
