#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A dump never harms the container, a failed restore leaves nothing: every stage fails in turn, ctcr is
# killed at random moments, images are damaged, the disk is full.
# shellcheck source-path=SCRIPTDIR source=lab.sh
. "$(dirname "$0")/lab.sh"

DUMP_STAGES='survey image pre-dump freeze namespaces netlock infect objects tasks world memory inventory post-dump'
RESTORE_STAGES='load plan pre-restore root setup-namespaces world post-setup-namespaces tree objects groups become post-restore arm'

begin() {
	lab_create
	lab_start
}

# The container's lasting processes with their descriptors and mappings.
snapshot() {
	local pid comm
	while read -r pid; do
		comm=$(cat "/proc/$pid/comm" 2> /dev/null) || continue
		case $comm in sleep | sh | nc) continue ;; esac
		[ "$comm" = init ] || grep SigBlk "/proc/$pid/status" # init changes its mask all the time
		echo "$pid $comm $(grep -E 'TracerPid|SigIgn|SigCgt' "/proc/$pid/status" | tr '\n\t' '  ')"
		find "/proc/$pid/fd" -type l -printf '%f %l\n' | sort
		cut -d' ' -f1,2,6- "/proc/$pid/maps"
	done < "/sys/fs/cgroup/pids/lxc.payload.$CT/cgroup.procs"
}

unharmed() { # WHEN
	wait_for 5 lab_is RUNNING || fail "$1: it is $(lab_state)"
	lab_counts_on || fail "$1"
	lab_ping "$1"
	! nft list tables 2> /dev/null | grep -q ctcr || fail "$1: nft tables on the host"
}

is_same() {
	[ "$(snapshot)" = "$before" ]
}

same() { # WHEN; what lxc-attach brought in may be leaving still
	wait_for 3 is_same || fail "$1: the container has changed: $(diff <(echo "$before") <(snapshot) | head -20)"
}

case_dump_stages_fail() {
	local stage before
	begin
	before=$(snapshot)
	for stage in $DUMP_STAGES; do
		CTCR_FAIL_STAGE=$stage "$CTCR" dump --ct "$CT" -D "$DIR/img" > "$DIR/out" 2>&1 && fail "$stage did not fail"
		grep -q "stage $stage" "$DIR/out" || fail "$stage failed otherwise: $(cat "$DIR/out")"
		[ ! -e "$DIR/img/inventory.img" ] || fail "$stage: an image is left"
		unharmed "stage $stage failed"
		same "stage $stage failed"
	done
	lab_dump "$DIR/img"
}

case_dump_killed() {
	local i before ip
	begin
	before=$(snapshot)
	ip=$(lab_ip)
	for i in $(seq 200); do
		"$CTCR" dump --ct "$CT" -D "$DIR/k$i" > "$DIR/out" 2>&1 --leave-running &
		pid=$!
		sleep "0.$(printf %03d $((RANDOM % 150)))"
		kill -9 $pid 2> /dev/null
		wait $pid 2> /dev/null
		rm -rf "$DIR/k$i"
		wait_for 5 lab_is RUNNING || fail "kill $i: it is $(lab_state)"
		lab_counts_on || fail "kill $i"
		busybox ping -c 1 -W 3 "$ip" > /dev/null || fail "kill $i: no ping"
	done
	unharmed "200 kills"
	# mappings of an executor whose coordinator died may stay; descriptors, masks and states do not
	[ "$(snapshot | grep -c TracerPid)" = "$(grep -c TracerPid <<< "$before")" ] || fail "processes are missing"
	lab_dump "$DIR/img"
	lab_restore "$DIR/img"
	unharmed "restored after 200 kills"
}

# One that is stopped (SIGSTOP) does not go on for a single instruction when ctcr is killed.
case_stopped_killed() {
	local i p=0 was n="/var/lib/lxc/$CT/rootfs/stopped.n"
	lab_create
	echo '::once:/bin/sh -c "n=0; while :; do n=\$((n+1)); echo \$n > /stopped.n; done"' >> "/var/lib/lxc/$CT/rootfs/etc/inittab"
	lab_start
	wait_for 5 test -s "$n" || fail "it does not count"
	while read -r i; do
		if grep -q stopped.n "/proc/$i/cmdline" 2> /dev/null; then p=$i; fi
	done < "/sys/fs/cgroup/pids/lxc.payload.$CT/cgroup.procs"
	kill -STOP "$p"
	wait_for 5 grep -q '^State:.T' "/proc/$p/status" || fail "it does not stop"
	was=$(cat "$n")
	for i in $(seq 60); do
		"$CTCR" dump --ct "$CT" -D "$DIR/k$i" > "$DIR/out" 2>&1 --leave-running &
		pid=$!
		sleep "0.$(printf %03d $((RANDOM % 150)))"
		kill -9 $pid 2> /dev/null
		wait $pid 2> /dev/null
		rm -rf "$DIR/k$i"
		wait_for 5 grep -q '^State:.T' "/proc/$p/status" || fail "kill $i: it is $(grep State "/proc/$p/status")"
		[ "$(cat "$n")" = "$was" ] || fail "kill $i: it went on from $was to $(cat "$n")"
	done
	lab_dump "$DIR/img"
	lab_restore "$DIR/img"
	[ "$(cat "$n")" = "$was" ] || fail "restored: it went on from $was to $(cat "$n")"
	lxc-attach -n "$CT" -- /bin/sh -c 'for p in /proc/[0-9]*; do ! grep -q stopped.n $p/cmdline || kill -CONT ${p#/proc/}; done'
	wait_for 5 moves_on || fail "it does not continue"
	lab_counts_on
}

moves_on() {
	[ "$(cat "$n")" != "$was" ]
}

case_restore_stages_fail() {
	local stage
	begin
	lab_dump "$DIR/img"
	for stage in $RESTORE_STAGES; do
		CTCR_FAIL_STAGE=$stage "$CTCR" restore --ct "$CT" --veth-pair -D "$DIR/img" > "$DIR/out" 2>&1 &&
			fail "$stage did not fail"
		wait_for 5 lab_is STOPPED || fail "stage $stage failed: it is $(lab_state)"
		wait_for 5 lab_leaks || { lab_leaks; fail "left behind when stage $stage failed"; }
	done
	lab_restore "$DIR/img"
	unharmed restored
}

nobody_left() {
	[ -z "$(cat "/sys/fs/cgroup/pids/lxc.payload.$CT"*/cgroup.procs 2> /dev/null)" ] &&
		[ -z "$(ip -br link show master "$BR")" ]
}

gone_or_on() {
	nobody_left || test -s "/var/lib/lxc/$CT/rootfs/count.now"
}

case_restore_killed() {
	local i
	begin
	lab_dump "$DIR/img"
	for i in $(seq 20); do
		rm -f "/var/lib/lxc/$CT/rootfs/count.now"
		"$CTCR" restore --ct "$CT" --veth-pair -D "$DIR/img" --no-lxc-monitor -d > "$DIR/out" 2>&1 &
		pid=$!
		sleep "0.$(printf %03d $((RANDOM % 100)))"
		kill -9 $pid 2> /dev/null
		wait $pid 2> /dev/null
		wait_for 5 gone_or_on || fail "kill $i: it neither runs nor is it gone"
		nobody_left && continue
		# killed after the commit: then it runs, all of it
		# shellcheck disable=SC2046
		kill -9 $(cat "/sys/fs/cgroup/pids/lxc.payload.$CT/cgroup.procs") 2> /dev/null # all: pids wrap, the first need not be the init
		wait_for 5 nobody_left || fail "kill $i: left: $(cat "/sys/fs/cgroup/pids/lxc.payload.$CT"*/cgroup.procs) $(ip -br link show master "$BR")"
	done
	lab_restore "$DIR/img"
	wait_for 5 lab_count || fail "restored after 20 kills it does not count"
	unharmed "restored after 20 kills"
}

case_signalled() {
	local before
	begin
	before=$(snapshot)
	printf '#!/bin/sh\n[ $CRTOOLS_SCRIPT_ACTION != %s ] || { kill -%s $PPID; }\n' network-lock TERM > "$DIR/script"
	chmod +x "$DIR/script"
	"$CTCR" dump --ct "$CT" -D "$DIR/img" --action-script "$DIR/script" > "$DIR/out" 2>&1 && fail "SIGTERM was ignored"
	grep -qi terminated "$DIR/out" || fail "$(cat "$DIR/out")"
	unharmed SIGTERM
	same SIGTERM
}

case_damaged_images() {
	local f size
	begin
	lab_dump "$DIR/img"
	for f in "$DIR"/img/*.img; do
		size=$(stat -c %s "$f")
		[ "$size" -gt 0 ] || continue
		cp "$f" "$DIR/good"
		truncate -s $((size - 1)) "$f"
		refused "$f" truncated
		cp "$DIR/good" "$f"
		printf '\xa5' | dd of="$f" bs=1 seek=$((size / 2)) conv=notrunc status=none
		cmp -s "$f" "$DIR/good" || refused "$f" "with a changed byte"
		cp "$DIR/good" "$f"
		mv "$f" "$DIR/away"
		refused "$f" missing
		mv "$DIR/away" "$f"
	done
	lab_restore "$DIR/img"
	unharmed restored
}

refused() { # FILE HOW
	local out
	out=$("$CTCR" restore --ct "$CT" --veth-pair -D "$DIR/img" 2>&1) && fail "restored with $1 $2"
	case $out in *"${1##*/}"*) ;; *) fail "$2 ${1##*/} is not named: $out" ;; esac
	lab_is STOPPED || fail "$1 $2: it is $(lab_state)"
}

case_full_disk() {
	local before
	begin
	before=$(snapshot)
	mkdir "$DIR/small"
	mount -t tmpfs -o size=64k none "$DIR/small" || skip "no tmpfs"
	"$CTCR" dump --ct "$CT" -D "$DIR/small/img" > "$DIR/out" 2>&1 && { umount "$DIR/small"; fail "dumped onto a full disk"; }
	umount "$DIR/small"
	grep -qi "no space" "$DIR/out" || fail "$(cat "$DIR/out")"
	unharmed "full disk"
	same "full disk"
}

case_frozen() {
	begin
	lxc-freeze -n "$CT"
	lab_dump "$DIR/img" --leave-running
	wait_for 5 lab_is FROZEN || fail "it was frozen, now it is $(lab_state)"
	lxc-unfreeze -n "$CT"
	unharmed "unfrozen again"
}

lab_main "$@"
