#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A stock Debian container with systemd, made by LXC's debian template.
# shellcheck source-path=SCRIPTDIR source=lab.sh
. "$(dirname "$0")/lab.sh"

begin() {
	command -v debootstrap > /dev/null || skip "debootstrap is not installed"
	lxc-create -n "$CT" -f "$DIR/net.conf" -t debian -- -r bookworm > "$DIR/create.log" 2>&1 || {
		tail -3 "$DIR/create.log"
		skip "no Debian container can be made here: $(tail -1 "$DIR/create.log")"
	}
	install -D /dev/stdin "/var/lib/lxc/$CT/rootfs/etc/systemd/system/count.service" <<-'END'
		[Service]
		ExecStart=/bin/bash -c 'while :; do echo $((++i)) > /count.new; mv /count.new /count.now; sleep 0.05; done'
		[Install]
		WantedBy=multi-user.target
	END
	mkdir -p "/var/lib/lxc/$CT/rootfs/etc/systemd/system/multi-user.target.wants"
	ln -s ../count.service "/var/lib/lxc/$CT/rootfs/etc/systemd/system/multi-user.target.wants/count.service"
	lxc-start -n "$CT" -o "$DIR/start.log" || { cat "$DIR/start.log"; fail "lxc-start"; }
	wait_for 60 is_up || fail "it does not come up: $(inside 'systemctl list-jobs; systemctl --failed')"
	wait_for 20 lab_ip || fail "no address by DHCP"
}

inside() {
	lxc-attach --clear-env -n "$CT" -- /bin/sh -c "$1"
}

is_up() {
	case $(inside 'systemctl is-system-running') in running | degraded) ;; *) return 1 ;; esac
}

processes() {
	inside "ps -eo pid,ppid,user,args" | grep -v 'ps -eo\|sleep 0.05\|lxc-attach\|/bin/sh -c ps'
}

services() {
	inside 'systemctl --no-legend --plain --type=service --state=active' | awk '{ print $1 }' | sort
}

works() {
	inside 'systemd-run --quiet --service-type=oneshot true' || fail "systemd starts nothing"
	inside 'logger -t ctcr-lab written; journalctl -q --sync; journalctl -q -t ctcr-lab -n 1' | grep -q written ||
		fail "the journal does not take lines"
	inside '[ ! -e /run/dbus/system_bus_socket ] || { loginctl --no-legend && hostnamectl; } > /dev/null' ||
		fail "D-Bus does not answer"
	# the new one counts from 1: what the old one wrote must be gone before it is there
	inside 'systemctl stop count && rm /count.now && systemctl start count' || fail "a service does not restart"
	wait_for 5 test -s "/var/lib/lxc/$CT/rootfs/count.now" || fail "a restarted service does nothing"
	lab_counts_on
	lab_ping
}

case_restore() {
	local before after
	begin
	works
	before=$(processes; services)
	lab_there_and_back
	after=$(processes; services)
	[ "$before" = "$after" ] || fail "processes: $(diff <(echo "$before") <(echo "$after"))"
	works
}

case_console() {
	begin
	python3 "$LAB_TOP/zdtm/lxc/console.py" --login "$CT" || fail "no login on the console before the dump"
	lab_there_and_back
	python3 "$LAB_TOP/zdtm/lxc/console.py" --login "$CT" "$CTCR" console --ct "$CT" || fail "no login on the console"
}

case_five_times() {
	begin
	for _ in 1 2 3 4 5; do
		rm -rf "$DIR/img"
		lab_there_and_back
	done
	works
}

case_lxc_checkpoint() {
	export CTCR_LIBEXEC=${CTCR%/*}/libexec
	begin
	"$LAB_TOP/lxc/lxc-checkpoint" -s -n "$CT" -D "$DIR/img" || fail "dump: $(tail -5 "$DIR/img/dump.log")"
	wait_for 5 lab_is STOPPED || fail "after the dump it is $(lab_state)"
	"$LAB_TOP/lxc/lxc-checkpoint" -r -n "$CT" -D "$DIR/img" || fail "restore: $(tail -5 "$DIR/img/restore.log")"
	wait_for 5 lab_is RUNNING || fail "after the restore it is $(lab_state)"
	works
}

case_running() {
	begin
	lab_dump "$DIR/img" --leave-running
	works
}

lab_main "$@"
