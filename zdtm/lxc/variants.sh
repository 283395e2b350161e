#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Containers configured otherwise than the template does, and other ways to restore them.
# shellcheck source-path=SCRIPTDIR source=lab.sh
. "$(dirname "$0")/lab.sh"

begin() { # LINES of configuration on standard input
	cat > "$DIR/more.conf"
	lab_create
	lab_start
}

inside() {
	lxc-attach -n "$CT" -- /bin/sh -c "$1"
}

case_console_none() {
	begin <<< 'lxc.console.path = none'
	lab_there_and_back
	lab_ping
}

# Debian's common.conf: console and ttys lie on the container's own devpts; the keeper has the masters.
case_own_devpts() {
	begin <<-'END'
		lxc.pty.max = 1024
		lxc.tty.max = 4
	END
	python3 "$LAB_TOP/zdtm/lxc/console.py" "$CT" || fail "the console does not work before the dump"
	lab_there_and_back
	lab_ping
	python3 "$LAB_TOP/zdtm/lxc/console.py" "$CT" "$CTCR" console --ct "$CT" || fail "ctcr console"
}

case_binds() {
	mkdir -p "$DIR/host dir"
	echo from the host > "$DIR/host dir/file"
	echo single > "$DIR/one"
	begin <<-END
		lxc.mount.entry = $DIR/host\\040dir srv/dir none bind,create=dir 0 0
		lxc.mount.entry = $DIR/one srv/one none ro,bind,create=file 0 0
		lxc.mount.entry = $DIR/missing srv/missing none bind,optional,create=dir 0 0
		lxc.mount.entry = tmpfs srv/tmp tmpfs size=1m,create=dir 0 0
	END
	inside 'echo kept > /srv/tmp/file'
	lab_there_and_back
	[ "$(inside 'cat /srv/dir/file /srv/one /srv/tmp/file')" = "from the host
single
kept" ] || fail "files: $(inside 'cat /srv/dir/file /srv/one /srv/tmp/file' 2>&1)"
	inside 'echo x > /srv/one' 2> /dev/null && fail "the read-only bind is writable"
	inside 'echo new > /srv/dir/new' && [ "$(cat "$DIR/host dir/new")" = new ] || fail "the bind is not the host's"
}

# In a user namespace: root inside is 100000 outside.
case_idmap() {
	printf 'lxc.idmap = %s 0 100000 65536\n' u g > "$DIR/more.conf"
	lab_create
	chown -Rh 100000:100000 "/var/lib/lxc/$CT/rootfs"
	chmod 755 "/var/lib/lxc/$CT"
	lab_start
	lab_there_and_back
	lab_ping
	[ "$(inside 'cat /proc/self/uid_map; id -u' | tr -s ' \n' ' ')" = " 0 100000 65536 0 " ] ||
		fail "ids: $(inside 'cat /proc/self/uid_map; id -u')"
	rm -rf "$DIR/img"
	lab_there_and_back
}

case_two_links() {
	local before
	begin <<-END
		lxc.net.0.veth.pair = v1$LAB
		lxc.net.1.type = veth
		lxc.net.1.link = $BR
		lxc.net.1.name = second
		lxc.net.1.ipv4.address = $NET.200/24
	END
	before=$(lab_net)
	lab_there_and_back
	[ "$(lab_net)" = "$before" ] || fail "network: $(diff <(echo "$before") <(lab_net))"
	[ -e "/sys/class/net/v1$LAB/brport" ] || fail "the host end v1$LAB is not on the bridge"
}

case_pair_by_hand() {
	begin < /dev/null
	lab_dump "$DIR/img"
	"$CTCR" restore --ct "$CT" -D "$DIR/img" --veth-pair "eth0=vh$LAB@$BR" || fail "restore"
	[ -e "/sys/class/net/vh$LAB/brport" ] || fail "the host end vh$LAB is not on the bridge"
	lab_ping
}

case_action_scripts() {
	begin < /dev/null
	printf '#!/bin/sh\necho $CRTOOLS_SCRIPT_ACTION >> %s/actions\n' "$DIR" > "$DIR/script"
	chmod +x "$DIR/script"
	lab_dump "$DIR/img" --action-script "$DIR/script"
	grep -q post-dump "$DIR/actions" || fail "no post-dump: $(cat "$DIR/actions")"
	lab_restore "$DIR/img" --action-script "$DIR/script"
	grep -q post-restore "$DIR/actions" || fail "no post-restore: $(cat "$DIR/actions")"
}

# Nobody but us removes the cgroups of a container without a monitor.
standalone_gone() {
	find /sys/fs/cgroup -depth -type d -path "*/lxc.payload.$CT*" -exec rmdir {} + 2> /dev/null
	[ -z "$(find /sys/fs/cgroup -type d -name "lxc.payload.$CT*")" ]
}

case_standalone() {
	local pid
	begin < /dev/null
	lab_dump "$DIR/img"
	wait_for 5 lab_is STOPPED
	lab_restore "$DIR/img" --no-lxc-monitor -d --pidfile "$DIR/pid"
	pid=$(cat "$DIR/pid")
	lab_counts_on
	kill -9 "$pid"
	wait_for 5 standalone_gone || fail "its cgroups cannot be removed"
}

# The console is a terminal of the host's devpts, of whatever number, and is called /dev/console inside.
consoles() {
	inside 'for p in /proc/[0-9]*; do readlink $p/fd/0; done' | sort -u | grep console
}

# Below LXC's monitor, then without: the number of the console may be that of a terminal inside.
case_standalone_again() {
	local i
	begin < /dev/null
	wait_for 5 consoles > /dev/null || fail "nobody is on the console"
	for i in 1 2; do
		rm -rf "$DIR/img"
		lab_there_and_back
		consoles > /dev/null || fail "restored: nobody is on a terminal called console"
		rm -rf "$DIR/img"
		lab_dump "$DIR/img"
		wait_for 5 lab_is STOPPED
		lab_restore "$DIR/img" --no-lxc-monitor -d --pidfile "$DIR/pid"
		kill -9 "$(cat "$DIR/pid")"
		rm "$DIR/pid"
		wait_for 5 standalone_gone || fail "its cgroups cannot be removed"
		lab_restore "$DIR/img"
	done
}

case_lxc_checkpoint() {
	export CTCR_LIBEXEC=${CTCR%/*}/libexec
	begin < /dev/null
	"$LAB_TOP/lxc/lxc-checkpoint" -s -n "$CT" -D "$DIR/img" || fail "dump: $(tail -5 "$DIR/img/dump.log")"
	wait_for 5 lab_is STOPPED || fail "after the dump it is $(lab_state)"
	"$LAB_TOP/lxc/lxc-checkpoint" -r -n "$CT" -D "$DIR/img" || fail "restore: $(tail -5 "$DIR/img/restore.log")"
	wait_for 5 lab_is RUNNING || fail "after the restore it is $(lab_state)"
	lab_counts_on
	lab_ping
}

# Tasks come and go all the time: the survey meets the dead, the freeze the half-born.
case_forking() {
	local i out
	lab_create
	cat >> "/var/lib/lxc/$CT/rootfs/etc/inittab" <<-'END'
		::once:/bin/sh -c "while :; do /bin/true | /bin/cat; done"
		::once:/bin/sh -c "while :; do (/bin/true & wait); done"
	END
	lab_start
	for i in $(seq 15); do
		rm -rf "$DIR/img"
		out=$("$CTCR" dump --ct "$CT" -D "$DIR/img" --leave-running 2>&1) || fail "dump $i: $out"
	done
	lab_counts_on
	for i in 1 2 3; do
		rm -rf "$DIR/img"
		lab_there_and_back
	done
	lab_ping
}

# Somebody is in it by lxc-attach: named, not in the image, unharmed while the container runs on.
case_attached() {
	local out pid
	lab_create
	lab_start
	lxc-attach -n "$CT" -- /bin/sleep 98761 < /dev/null > /dev/null 2>&1 &
	wait_for 5 attached || fail "lxc-attach"
	pid=$(attached)
	out=$("$CTCR" dump --ct "$CT" -D "$DIR/img" --leave-running 2>&1) || fail "dump: $out"
	case $out in *"pid $pid (sleep): came into the container from outside"*) ;; *) fail "not named: $out" ;; esac
	[ "$(attached)" = "$pid" ] || fail "it was ended"
	rm -rf "$DIR/img"
	lab_there_and_back
	[ -z "$(attached)" ] || fail "it is still there"
}

attached() { # the pid of the sleep 98761 in the container's cgroup
	local p
	while read -r p; do
		[ "$(tr '\0' ' ' 2> /dev/null < "/proc/$p/cmdline")" = "/bin/sleep 98761 " ] && echo "$p" && return
	done < <(cat "/sys/fs/cgroup/freezer/lxc.payload.$CT/cgroup.procs" \
		"/sys/fs/cgroup/lxc.payload.$CT/cgroup.procs" 2> /dev/null)
	return 1
} 2> /dev/null

# What cannot be is said in one line, and changes nothing.
case_refusals() {
	local out
	begin < /dev/null
	out=$("$CTCR" restore --ct "$CT" -D "$DIR" 2>&1) && fail "restored a running container"
	case $out in *"is running"*) ;; *) fail "running: $out" ;; esac
	out=$("$CTCR" dump --ct "$CT.no" -D "$DIR/x" 2>&1) && fail "dumped an unknown container"
	case $out in *"not found"*) ;; *) fail "unknown: $out" ;; esac
	lxc-stop -k -n "$CT"
	wait_for 5 lab_is STOPPED
	out=$("$CTCR" dump --ct "$CT" -D "$DIR/x" 2>&1) && fail "dumped a stopped container"
	case $out in *"is not running"*) ;; *) fail "stopped: $out" ;; esac
	[ ! -e "$DIR/x/inventory.img" ] || fail "an image of nothing"
	mkdir "$DIR/empty"
	"$CTCR" restore --ct "$CT" -D "$DIR/empty" > /dev/null 2>&1 && fail "restored nothing"
	lab_leaks || fail "left behind by a failed restore"
	lab_start
}

lab_main "$@"
