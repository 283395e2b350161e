#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A stock busybox container: dumped, it is stopped; restored, it cannot tell.
# shellcheck source-path=SCRIPTDIR source=lab.sh
. "$(dirname "$0")/lab.sh"

begin() {
	lab_create
	lab_start
}

case_start() { # the lab itself
	begin
	lab_counts_on
	lab_ping
}

case_dump_stops() {
	local was
	begin
	lab_dump "$DIR/img"
	[ "$(lab_state)" = STOPPED ] || fail "after the dump it is $(lab_state)"
	was=$(lab_count)
	sleep 0.3
	[ "$(lab_count)" = "$was" ] || fail "the counter runs on"
	lab_leaks || fail "left behind by the dump"
}

case_running() {
	begin
	lab_dump "$DIR/img" --leave-running
	[ "$(lab_state)" = RUNNING ] || fail "after the dump it is $(lab_state)"
	lab_counts_on
	lab_ping "is it still locked?"
}

case_restore() {
	local before after count
	begin
	before=$(lab_ps)
	lab_dump "$DIR/img"
	count=$(lab_count)
	lab_restore "$DIR/img"
	[ "$(lab_state)" = RUNNING ] || fail "after the restore it is $(lab_state)"
	after=$(lab_ps)
	[ "$(sed '/sleep/d' <<< "$before")" = "$(sed '/sleep/d' <<< "$after")" ] ||
		fail "processes: $(diff <(echo "$before") <(echo "$after"))"
	lab_counts_on
	[ "$(lab_count)" -ge "$count" ] || fail "the counter fell from $count to $(lab_count)"
}

case_attach() {
	begin
	lab_there_and_back
	[ "$(lxc-attach -n "$CT" -- /bin/sh -c 'echo $((6 * 7)); hostname')" = "42
$CT" ] || fail "attach: $(lxc-attach -n "$CT" -- /bin/hostname)"
	lxc-freeze -n "$CT" && [ "$(lab_state)" = FROZEN ] || fail "freeze: $(lab_state)"
	lxc-unfreeze -n "$CT" && [ "$(lab_state)" = RUNNING ] || fail "unfreeze: $(lab_state)"
	lab_counts_on
	lxc-stop -n "$CT" -t 10 || fail "lxc-stop"
	wait_for 5 lab_is STOPPED || fail "stop: $(lab_state)"
}

case_network() {
	local before after
	begin
	before=$(lab_net)
	lab_there_and_back
	after=$(lab_net)
	[ "$before" = "$after" ] || fail "network: $(diff <(echo "$before") <(echo "$after"))"
	lab_ping
}

case_tcp() {
	begin
	python3 "$LAB_TOP/zdtm/lxc/echo-client.py" "$(lab_ip)" 7 "$DIR/go" "$DIR/done" &
	wait_for 5 test -e "$DIR/go.ready" || fail "no connection before the dump"
	lab_there_and_back
	touch "$DIR/go"
	wait_for 15 test -e "$DIR/done" || fail "the connection does not answer"
	[ "$(cat "$DIR/done")" = ok ] || fail "$(cat "$DIR/done")"
	wait
}

case_console() {
	begin
	python3 "$LAB_TOP/zdtm/lxc/console.py" "$CT" || fail "the console does not work before the dump"
	lab_there_and_back
	python3 "$LAB_TOP/zdtm/lxc/console.py" "$CT" || fail "the console does not work after the restore"
}

case_ten_times() {
	begin
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		rm -rf "$DIR/img"
		lab_there_and_back
	done
	lab_ping
}

lab_main "$@"
