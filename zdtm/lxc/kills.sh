#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# ctcr is killed at every point of a dump and of a restore at which it may have changed something, one after
# the other (zdtm/tools/killat): whatever it was about to do, the container is unharmed, or nobody is left.
# The container is one process with TCP connections.
# shellcheck source-path=SCRIPTDIR source=lab.sh
. "$(dirname "$0")/lab.sh"

PORT=9

begin() { # serve|hold: what netpeer is to do
	[ -x "$OUT/zdtm/tools/killat" ] || skip "zdtm/tools are not built"
	cat > "$DIR/more.conf" <<-END
		lxc.init.cmd = /netpeer $1 $PORT
		lxc.net.0.ipv4.address = $NET.2/24
	END
	lab_create
	cp "$OUT/zdtm/tools/netpeer" "/var/lib/lxc/$CT/rootfs/netpeer"
	lab_lxc_start -n "$CT" -o "$DIR/start.log" || { cat "$DIR/start.log"; fail "lxc-start"; }
	wait_for 5 bash -c ": < /dev/tcp/$NET.2/$PORT" || fail "nothing listens in the container"
}

kills() { # CASE [STEP]: at each STEP-th point; KILLS_STEP=1 KILLS_FROM=1 for all of them
	KILLS_STEP=${KILLS_STEP:-${2:-1}} python3 "$LAB_TOP/zdtm/lxc/kills.py" "$1" "$CT" "$NET.2" "$PORT" "$DIR" || exit 1
}

case_dump() {
	begin serve
	kills dump 13
}

case_dump_waiting() {
	begin hold
	HELD=1 kills dump 13
}

case_end() {
	begin serve
	kills end
}

case_end_waiting() {
	begin hold
	HELD=1 kills end
}

own_down() {
	local p
	while read -r p; do kill -9 "$p"; done < "/sys/fs/cgroup/pids/lxc.payload.$CT/cgroup.procs"
	wait_for 5 test -z "$(cat "/sys/fs/cgroup/pids/lxc.payload.$CT/cgroup.procs")"
	find /sys/fs/cgroup -depth -type d -path "*lxc.payload.$CT*" -exec rmdir {} +
} 2> /dev/null

case_restore() {
	begin serve
	kills restore 9
}

lab_main "$@"
