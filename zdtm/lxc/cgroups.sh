#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Control groups of a container: what LXC and the container itself made of them is there again.
# shellcheck source-path=SCRIPTDIR source=lab.sh
. "$(dirname "$0")/lab.sh"

# Names, owners, modes and values below the payload cgroup in all hierarchies, without counters.
snapshot() {
	local top
	find /sys/fs/cgroup/*/"lxc.payload.$CT" -printf '%p %m %U %G\n' | sort
	for top in /sys/fs/cgroup/*/"lxc.payload.$CT"; do
		find "$top" -type f \( -name '*limit_in_bytes' -o -name '*.max' -o -name '*.shares' -o -name 'cpuset.*' \
			-o -name '*quota_us' -o -name devices.list -o -name notify_on_release -o -name '*.swappiness' \
			-o -name cgroup.max.\* -o -name cgroup.subtree_control -o -name cgroup.type \) \
			! -name '*usage*' ! -name '*pressure' -exec grep -H '' {} + | sort
	done
}

there_and_back() {
	local before after
	before=$(snapshot)
	lab_there_and_back
	after=$(snapshot)
	[ "$before" = "$after" ] || fail "cgroups: $(diff <(echo "$before") <(echo "$after"))"
}

case_limits() {
	lab_create
	cat >> "/var/lib/lxc/$CT/config" <<-'END'
		lxc.cgroup.memory.limit_in_bytes = 200M
		lxc.cgroup.pids.max = 99
		lxc.cgroup.cpu.shares = 333
		lxc.cgroup.cpu.cfs_quota_us = 70000
		lxc.cgroup.cpuset.cpus = 0
		lxc.cgroup2.cgroup.max.depth = 9
	END
	lab_start
	snapshot | grep -q 'pids.max:99' || fail "LXC did not set the limits"
	there_and_back
}

case_subgroups() {
	local init h
	lab_create
	lab_start
	init=$(lxc-info -n "$CT" -p -H)
	for h in pids systemd unified; do
		mkdir -p "/sys/fs/cgroup/$h/lxc.payload.$CT/init.scope" "/sys/fs/cgroup/$h/lxc.payload.$CT/a/.b"
		chown 1000:1001 "/sys/fs/cgroup/$h/lxc.payload.$CT/a" "/sys/fs/cgroup/$h/lxc.payload.$CT/a/cgroup.procs"
		echo "$init" > "/sys/fs/cgroup/$h/lxc.payload.$CT/init.scope/cgroup.procs"
	done
	echo 7 > "/sys/fs/cgroup/pids/lxc.payload.$CT/a/.b/pids.max"
	echo 1 > "/sys/fs/cgroup/systemd/lxc.payload.$CT/a/notify_on_release"
	echo threaded > "/sys/fs/cgroup/unified/lxc.payload.$CT/a/.b/cgroup.type"
	there_and_back
	lxc-attach -n "$CT" -- /bin/grep -qx '0::/init.scope' /proc/1/cgroup ||
		fail "the root of its cgroup namespace: $(lxc-attach -n "$CT" -- /bin/cat /proc/1/cgroup)"
}

case_device_rules() { # of v2, a BPF program nobody holds open
	lab_create
	lab_start
	"$OUT/zdtm/tools/devbpf" "/sys/fs/cgroup/unified/lxc.payload.$CT" || fail "devbpf"
	full_refused || fail "the rules do not work before the dump"
	there_and_back
	full_refused || fail "the rules are gone"
	lxc-attach -n "$CT" -- /bin/head -c 1 /dev/zero > /dev/null || fail "/dev/zero is refused too"
}

full_refused() {
	lxc-attach -n "$CT" -- /bin/head -c 1 /dev/full 2>&1 | grep -q 'Operation not permitted'
}

case_modes() { # no container: --cgroup-root and --manage-cgroups
	"$LAB_TOP/zdtm/lxc/cgmodes.py" "$CTCR" "$DIR" || fail "modes"
}

# What a restore made goes when it has seen the end of what it restored; detached, nobody sees it.
case_ended() {
	local top=/sys/fs/cgroup/unified/ctcr-ended$$ pid waiter
	[ -d /sys/fs/cgroup/unified ] || top=/sys/fs/cgroup/ctcr-ended$$
	mkdir -p "$top/in" "$DIR" || skip "no cgroups here"
	setsid bash -c 'for ((i = 3; i < 300; i++)); do eval "exec $i>&-"; done; exec sleep 98765' < /dev/null > /dev/null 2>&1 &
	pid=$!
	echo "$pid" > "$top/in/cgroup.procs"
	"$CTCR" dump -t "$pid" -D "$DIR/img" || fail "dump"
	wait "$pid"
	rmdir "$top/in" "$top" || fail "rmdir"
	"$CTCR" restore -D "$DIR/img" > "$DIR/out" 2>&1 &
	waiter=$!
	wait_for 5 grep -q ctcr-ended "/proc/$pid/cgroup" || fail "it is not in its cgroup: $(cat "$DIR/out")"
	wait_for 5 grep -q restored "$DIR/out" || fail "$(cat "$DIR/out")"
	kill -9 "$pid"
	wait "$waiter" || fail "$(cat "$DIR/out")"
	[ ! -e "$top" ] || fail "left: $(find "$top" -type d)"
	"$CTCR" restore -D "$DIR/img" > "$DIR/out" 2>&1 &
	waiter=$!
	wait_for 5 grep -q restored "$DIR/out" || fail "once more: $(cat "$DIR/out")"
	kill "$waiter"
	wait "$waiter" && fail "a signal does not end the waiting"
	kill -9 "$pid" || fail "the restored task ended too"
	wait_for 5 rmdir "$top/in" "$top"
}

case_failure() { # nothing of a restore that fails is left
	lab_create
	lab_start
	lab_dump "$DIR/img"
	! "$CTCR" restore --ct "$CT" -D "$DIR/img" --action-script /bin/false \
		> "$DIR/restore.out" 2>&1 || fail "restored in spite of a script that fails"
	lab_leaks || fail "left behind by the failed restore"
	lab_restore "$DIR/img"
	lab_counts_on
}

lab_main "$@"
