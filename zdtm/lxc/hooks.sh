#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Action scripts: when each runs, what it is told, what its failure does; and the examples that are shipped.
# shellcheck source-path=SCRIPTDIR source=lab.sh
. "$(dirname "$0")/lab.sh"

EXAMPLES=$LAB_TOP/scripts/action-scripts
DUMP='pre-dump network-lock post-dump'
RESTORE='pre-restore setup-namespaces post-setup-namespaces post-restore network-unlock pre-resume post-resume'

begin() {
	hook_write "$DIR/hook"
	lab_create
	lab_start
}

# hook_write FILE: a script that notes what it is told, what it sees, and fails at $HOOK_FAIL.
hook_write() {
	cat > "$1" <<-END
		#!/bin/bash
		out=$DIR/actions
		name=\${0##*/}
	END
	cat >> "$1" <<-'END'
		action=$CRTOOLS_SCRIPT_ACTION
		status=$([ -n "${CRTOOLS_INIT_PID:-}" ] && cat "/proc/$CRTOOLS_INIT_PID/status")
		held=$(sed -n 's/^TracerPid:\t0$/no/p; s/^TracerPid:\t[1-9].*/yes/p' <<< "$status")
		image=$([ -e "$CRTOOLS_IMAGE_DIR/inventory.img" ] && echo complete || echo open)
		echo "$name $action ct=${CTCR_CT:-} pid=${CRTOOLS_INIT_PID:-} held=$held image=$image dir=$(readlink "$CRTOOLS_IMAGE_DIR")" >> "$out"
		if [ "$action" = pre-dump ] || [ "$action" = pre-restore ]; then
			{
				echo "stdin $(readlink /proc/$$/fd/0) cwd $PWD argc $#"
				# of a child: bash has its own ways with signals
				grep -E 'SigBlk|SigIgn' /proc/self/status
				# 3, 10 and 255 are bash's own
				echo "fds" $(ls /proc/$$/fd | grep -vx -e 0 -e 1 -e 2 -e 3 -e 10 -e 255)
			} > "$out.surroundings"
		fi
		echo "hook $name says $action"
		[ "$action" != "${HOOK_FAIL:-}" ] || exit 3
	END
	chmod +x "$1"
}

actions() { # the actions noted so far, in order
	awk '{ printf "%s%s", (NR > 1 ? " " : ""), $2 }' "$DIR/actions" 2> /dev/null
}

noted() { # ACTION KEY: what it was told
	awk -v a="$1" -v k="$2=" '$2 == a { for (i = 3; i <= NF; i++) if (index($i, k) == 1) print substr($i, length(k) + 1) }' "$DIR/actions"
}

expect() { # WHAT IS SHOULD-BE
	[ "$2" = "$3" ] || fail "$1 is '$2', not '$3'"
}

try_dump() { # OPTION...: as lab_dump, but it may fail
	"$CTCR" dump --ct "$CT" -D "$DIR/img" --action-script "$DIR/hook" "$@" > "$DIR/dump.out" 2>&1
}

try_restore() {
	"$CTCR" restore --ct "$CT" --veth-pair -D "$DIR/img" --action-script "$DIR/hook" "$@" > "$DIR/restore.out" 2>&1
}

unharmed() { # WHEN
	wait_for 5 lab_is RUNNING || fail "$1: it is $(lab_state)"
	lab_counts_on || fail "$1"
	lab_ping "$1"
}

told_dump() { # what the scripts of a dump saw of init $1
	local a
	for a in $DUMP; do
		expect "container at $a" "$(noted "$a" ct)" "$CT"
		expect "pid at $a" "$(noted "$a" pid)" "$1"
		expect "directory at $a" "$(noted "$a" dir)" "$DIR/img"
	done
	expect "held at pre-dump" "$(noted pre-dump held)" no
	expect "held at network-lock" "$(noted network-lock held)" yes
	expect "held at post-dump" "$(noted post-dump held)" yes
	expect "image at pre-dump" "$(noted pre-dump image)" open
	expect "image at post-dump" "$(noted post-dump image)" complete
}

case_dump_order() {
	local pid
	begin
	pid=$(lxc-info -n "$CT" -p -H)
	try_dump --leave-running || fail "dump: $(cat "$DIR/dump.out")"
	expect actions "$(actions)" "$DUMP network-unlock"
	told_dump "$pid"
	expect "held at network-unlock" "$(noted network-unlock held)" yes
	unharmed "left running"
	grep -q "hook hook says post-dump" "$DIR/img/dump.log" || fail "its output is not in the log"
	rm -rf "$DIR/img" "$DIR/actions"
	try_dump || fail "dump: $(cat "$DIR/dump.out")"
	expect actions "$(actions)" "$DUMP"
}

case_restore_order() {
	local a pid
	begin
	lab_dump "$DIR/img"
	try_restore || fail "restore: $(cat "$DIR/restore.out")"
	expect actions "$(actions)" "$RESTORE"
	pid=$(lxc-info -n "$CT" -p -H)
	for a in $RESTORE; do
		expect "container at $a" "$(noted "$a" ct)" "$CT"
		[ "$a" = pre-restore ] || expect "pid at $a" "$(noted "$a" pid)" "$pid"
	done
	expect "pid at pre-restore" "$(noted pre-restore pid)" ""
	expect "held at pre-resume" "$(noted pre-resume held)" yes
	expect "held at post-resume" "$(noted post-resume held)" no
	lab_counts_on
}

case_surroundings() {
	begin
	mkdir "$DIR/work"
	(trap '' USR1; exec 7< /dev/null; try_dump -W "$DIR/work" --leave-running) || fail "dump: $(cat "$DIR/dump.out")"
	expect "standard input" "$(sed -n 's/^stdin \([^ ]*\).*/\1/p' "$DIR/actions.surroundings")" /dev/null
	expect "directory" "$(sed -n 's/.* cwd \([^ ]*\).*/\1/p' "$DIR/actions.surroundings")" "$DIR/work"
	expect "arguments" "$(sed -n 's/.* argc //p' "$DIR/actions.surroundings")" 0
	expect "blocked" "$(sed -n 's/^SigBlk:\t//p' "$DIR/actions.surroundings")" 0000000000000000
	expect "ignored" "$(sed -n 's/^SigIgn:\t//p' "$DIR/actions.surroundings" | tr -d 0)" ""
	expect "descriptors" "$(sed -n 's/^fds//p' "$DIR/actions.surroundings")" ""
}

# A script that fails takes the dump back; the network is unlocked if it was locked.
case_dump_fails() {
	local a
	begin
	for a in $DUMP; do
		rm -f "$DIR/actions"
		HOOK_FAIL=$a try_dump && fail "$a failed, the dump did not"
		grep -q "$DIR/hook failed at $a: exit status 3" "$DIR/dump.out" || fail "$a: $(cat "$DIR/dump.out")"
		case $a in
		pre-dump) expect actions "$(actions)" pre-dump ;;
		network-lock) expect actions "$(actions)" "pre-dump network-lock network-unlock" ;;
		post-dump) expect actions "$(actions)" "$DUMP network-unlock" ;;
		esac
		[ ! -e "$DIR/img/inventory.img" ] || fail "$a: the refused image is left"
		unharmed "$a failed"
	done
	rm -f "$DIR/actions"
	HOOK_FAIL=network-unlock try_dump --leave-running || fail "network-unlock is not to be asked: $(cat "$DIR/dump.out")"
	unharmed "network-unlock failed"
}

case_restore_fails() {
	local a want=
	begin
	lab_dump "$DIR/img"
	wait_for 5 lab_is STOPPED
	for a in pre-restore setup-namespaces post-setup-namespaces post-restore; do
		want="$want${want:+ }$a"
		rm -f "$DIR/actions"
		HOOK_FAIL=$a try_restore && fail "$a failed, the restore did not"
		grep -q "hook failed at $a: exit status 3" "$DIR/restore.out" || fail "$a: $(cat "$DIR/restore.out")"
		expect actions "$(actions)" "$want"
		expect state "$(lab_state)" STOPPED
		wait_for 5 lab_leaks || fail "$a: $(lab_leaks)"
	done
	for a in network-unlock pre-resume post-resume; do
		rm -f "$DIR/actions"
		HOOK_FAIL=$a try_restore || fail "$a is not to be asked: $(cat "$DIR/restore.out")"
		grep -q "hook failed at $a: exit status 3" "$DIR/img/restore.log" || fail "$a: not in the log"
		expect actions "$(actions)" "$RESTORE"
		unharmed "$a failed"
		rm -rf "$DIR/img"
		lab_dump "$DIR/img"
	done
	lab_restore "$DIR/img"
	lab_counts_on
}

# The last one given runs first; all run, though one fails.
case_several() {
	begin
	hook_write "$DIR/other"
	HOOK_FAIL=pre-dump try_dump --action-script "$DIR/other" && fail "the dump did not fail"
	expect scripts "$(awk '{ printf "%s ", $1 }' "$DIR/actions")" "other hook "
	(cd "$DIR" && "$CTCR" dump --ct "$CT" -D img --action-script ./missing > "$DIR/dump.out" 2>&1) &&
		fail "a script that is not there"
	grep -q "missing failed at pre-dump" "$DIR/dump.out" || fail "missing: $(cat "$DIR/dump.out")"
	unharmed "scripts failed"
}

sleeper() { # a task of the host with nothing from here but descriptor 9; its pid is $!
	(
		for fd in "/proc/$BASHPID/fd/"*; do
			fd=${fd##*/}
			[ "$fd" -le 2 ] || [ "$fd" = 9 ] || eval "exec $fd>&-"
		done
		exec setsid sleep 1000 < /dev/null > /dev/null 2>&1
	) &
	wait_for 5 grep -q sleep "/proc/$!/comm" || fail "sleep"
}

# Tasks of the host have no network or other namespaces to be told of.
case_host_tasks() {
	local pid
	hook_write "$DIR/hook"
	sleeper
	pid=$!
	"$CTCR" dump -t "$pid" -D "$DIR/img" --action-script "$DIR/hook" || fail "dump"
	wait "$pid"
	expect actions "$(actions)" "pre-dump post-dump"
	expect "container" "$(noted post-dump ct)" ""
	rm "$DIR/actions"
	"$CTCR" restore -d -D "$DIR/img" --action-script "$DIR/hook" || fail "restore"
	expect actions "$(actions)" "pre-restore post-restore pre-resume post-resume"
	kill "$pid" || fail "it does not run"
}

# Called as criu: a refused dump has status 255 and keeps its image.
case_criu_refused() {
	local pid status
	hook_write "$DIR/hook"
	sleeper
	pid=$!
	mkdir "$DIR/img"
	HOOK_FAIL=post-dump "${CTCR%/*}/libexec/criu" dump -t "$pid" -D "$DIR/img" -o dump.log --action-script "$DIR/hook"
	status=$?
	expect status "$status" 255
	"$CTCR" verify "$DIR/img" || fail "the image is gone"
	kill "$pid" || fail "it does not run on"
}

# FILE FIELD: a number of the one message in a statistics file of CRIU, as its readers find it: two magic
# numbers, the length, and a message in a message.
criu_stat() {
	python3 - "$@" <<-'END'
		import struct, sys
		data = open(sys.argv[1], "rb").read()
		one, two, length = struct.unpack("<III", data[:12])
		assert (one, two, length) == (0x55105940, 0x57093306, len(data) - 12), data[:12]

		def varint(buf):
		    n = shift = 0
		    while True:
		        byte = next(buf)
		        n |= (byte & 127) << shift
		        shift += 7
		        if byte < 128:
		            return n
		outer = iter(data[12:])
		assert next(outer) == {"stats-dump": 0x0a, "stats-restore": 0x12}[sys.argv[1].rsplit("/")[-1]]
		assert varint(outer) == length - 2
		found = {}
		for key in outer:
		    assert key & 7 == 0
		    found[key >> 3] = varint(outer)
		needed = {1, 2, 3, 4, 5, 6, 7, 9} if "dump" in sys.argv[1] else {1, 2, 3, 4}
		assert needed <= set(found), found
		print(found[int(sys.argv[2])])
	END
}

# Called as criu: statistics where CRIU's callers look for them; ctcr itself leaves none.
case_criu_stats() {
	local pid criu=${CTCR%/*}/libexec/criu
	sleeper
	pid=$!
	mkdir "$DIR/img" "$DIR/work"
	"$criu" dump -t "$pid" -D "$DIR/img" -W "$DIR/work" -o dump.log || fail "dump: $(cat "$DIR/work/dump.log")"
	wait "$pid"
	"$criu" restore -d -D "$DIR/img" -W "$DIR/work" -o restore.log || fail "restore: $(cat "$DIR/work/restore.log")"
	kill "$pid"
	expect "images" "$(find "$DIR/img" -type f ! -name '*.img')" ""
	[ "$(criu_stat "$DIR/work/stats-dump" 2)" -gt 0 ] || fail "frozen_time"
	[ "$(criu_stat "$DIR/work/stats-dump" 7)" -gt 0 ] || fail "pages_written"
	[ "$(criu_stat "$DIR/work/stats-restore" 4)" -gt 0 ] || fail "restore_time"
	expect "pages_restored" "$(criu_stat "$DIR/work/stats-restore" 5)" "$(criu_stat "$DIR/work/stats-dump" 7)"
	begin
	rm -rf "$DIR/img"
	lab_dump "$DIR/img"
	lab_restore "$DIR/img"
	expect "of ctcr itself" "$(find "$DIR/img" -name 'stats-*')" ""
}

# The temporary link of --link-remap is there for the restore, and only then; whatever ends the dump.
case_links() {
	local pid
	mkdir -p "$DIR/a" "$DIR/b"
	echo text > "$DIR/a/one"
	ln "$DIR/a/one" "$DIR/b/two"
	sleeper 9< "$DIR/a/one"
	pid=$!
	rm "$DIR/a/one"
	CTCR_FAIL_STAGE=inventory "$CTCR" dump -t "$pid" -D "$DIR/img" --link-remap > "$DIR/out" 2>&1 && fail "dumped"
	expect "after a failure" "$(ls -A "$DIR/a")" ""
	printf '#!/bin/sh\n[ $CRTOOLS_SCRIPT_ACTION != post-dump ] || { ls -A %s > %s; kill -9 $PPID; }\n' \
		"$DIR/a" "$DIR/seen" > "$DIR/hook"
	chmod +x "$DIR/hook"
	"$CTCR" dump -t "$pid" -D "$DIR/img" --link-remap --action-script "$DIR/hook" > "$DIR/out" 2>&1 && fail "dumped"
	grep -q . "$DIR/seen" || fail "no link was made"
	wait_for 5 test -z "$(ls -A "$DIR/a")" || fail "after a kill: $(ls -A "$DIR/a")"
	kill -0 "$pid" || fail "it does not run"
	rm -rf "$DIR/img"
	"$CTCR" dump -t "$pid" -R -D "$DIR/img" --link-remap || fail "dump -R"
	expect "after -R" "$(ls -A "$DIR/a")" ""
	rm -rf "$DIR/img"
	"$CTCR" dump -t "$pid" -D "$DIR/img" --link-remap || fail "dump"
	wait "$pid"
	[ -n "$(ls -A "$DIR/a")" ] || fail "no link for the restore"
	CTCR_FAIL_STAGE=become "$CTCR" restore -d -D "$DIR/img" > "$DIR/out" 2>&1 && fail "restored"
	[ -n "$(ls -A "$DIR/a")" ] || fail "no link after a failed restore"
	"$CTCR" restore -d -D "$DIR/img" || fail "restore"
	expect "after the restore" "$(ls -A "$DIR/a")" ""
	[ "/proc/$pid/fd/9" -ef "$DIR/b/two" ] || fail "another file"
	kill "$pid"
}

case_log_actions() {
	begin
	export LOG_ACTIONS=$DIR/log
	lab_dump "$DIR/img" --action-script "$EXAMPLES/log-actions"
	lab_restore "$DIR/img" --action-script "$EXAMPLES/log-actions"
	# shellcheck disable=SC2086
	expect log "$(cut -d' ' -f2,3 "$DIR/log" | tr '\n' ' ')" \
		"$(printf "%s container=$CT " $DUMP $RESTORE)"
	expect "line" "$(sed -n 's/^[-0-9T:Z]* post-dump .*image=//p' "$DIR/log")" "$DIR/img"
}

# An ovs-vsctl that knows only what the script needs, with a Linux bridge for a switch.
stand_in_switch() {
	mkdir -p "$DIR/bin"
	cat > "$DIR/bin/ovs-vsctl" <<-END
		#!/bin/bash
		echo "\$*" >> $DIR/switch
		while [ \$# -gt 0 ] && [ "\$1" != add-port ]; do shift; done
		[ "\$2" = $BR ] && ip link set "\$3" master $BR
	END
	chmod +x "$DIR/bin/ovs-vsctl"
	export PATH="$DIR/bin:$PATH"
}

case_attach_switch() {
	begin
	stand_in_switch
	lab_dump "$DIR/img" --action-script "$EXAMPLES/attach-switch"
	[ ! -e "$DIR/switch" ] || fail "it did something at the dump"
	export SWITCH_PORTS="eth0=$BR,tag=7"
	"$CTCR" restore --ct "$CT" --veth-pair="eth0=vs$LAB" -D "$DIR/img" --action-script "$EXAMPLES/attach-switch" ||
		fail "restore: $(tail -5 "$DIR/img/restore.log")"
	expect "the switch was told" "$(cat "$DIR/switch")" \
		"--timeout=10 --if-exists del-port vs$LAB -- add-port $BR vs$LAB tag=7"
	unharmed "on the switch"
	rm -rf "$DIR/img"
	lab_dump "$DIR/img"
	wait_for 5 lab_is STOPPED
	SWITCH_PORTS="eth0=nosuch" "$CTCR" restore --ct "$CT" --veth-pair -D "$DIR/img" \
		--action-script "$EXAMPLES/attach-switch" > "$DIR/out" 2>&1 && fail "restored without a switch"
	wait_for 5 lab_leaks || fail "left: $(lab_leaks)"
}

# HAProxy's admin socket, as far as the script uses it, and a socat that talks to it.
stand_in_balancer() { # ANSWER
	mkdir -p "$DIR/bin"
	cat > "$DIR/bin/socat" <<-END
		#!/bin/bash
		[ "\$3 \$4" = "- UNIX-CONNECT:$DIR/admin.sock" ] || exit 1
		cat >> $DIR/balancer
		printf '%s\n' "$1"
	END
	chmod +x "$DIR/bin/socat"
	export PATH="$DIR/bin:$PATH" BALANCER_SERVER=web/web1 BALANCER_SOCKET=$DIR/admin.sock
}

case_drain_balancer() {
	begin
	stand_in_balancer "No such server."
	"$CTCR" dump --ct "$CT" -D "$DIR/img" --action-script "$EXAMPLES/drain-balancer" > "$DIR/out" 2>&1 &&
		fail "dumped, though the balancer knows no such server"
	grep -q "No such server" "$DIR/img.failed.log" || fail "it does not say why"
	unharmed "not drained"
	stand_in_balancer ""
	rm -rf "$DIR/balancer" "$DIR/img"
	lab_dump "$DIR/img" --leave-running --action-script "$EXAMPLES/drain-balancer"
	rm -rf "$DIR/img"
	lab_dump "$DIR/img" --action-script "$EXAMPLES/drain-balancer"
	lab_restore "$DIR/img" --action-script "$EXAMPLES/drain-balancer"
	expect "the balancer was told" "$(sed 's/set server //' "$DIR/balancer" | tr '\n' ,)" \
		"web/web1 state drain,web/web1 state ready,web/web1 state drain,web/web1 state ready,"
}

# An ssh that goes nowhere, but through a shell as the real one.
stand_in_ssh() {
	mkdir -p "$DIR/bin"
	cat > "$DIR/bin/ssh" <<-END
		#!/bin/sh
		[ "\$1 \$2 \$3" = "-o BatchMode=yes root@there" ] || exit 255
		cd / && exec sh -c "\$4"
	END
	chmod +x "$DIR/bin/ssh"
	export PATH="$DIR/bin:$PATH"
}

case_copy_image() {
	begin
	stand_in_ssh
	export COPY_TO="root@there:$DIR/it's there/web" COPY_VERIFY="$CTCR verify"
	COPY_VERIFY=false "$CTCR" dump --ct "$CT" -D "$DIR/img" --action-script "$EXAMPLES/copy-image" > "$DIR/out" 2>&1 &&
		fail "dumped, though the copy is bad"
	expect "what is there" "$(ls "$DIR/it's there")" ""
	unharmed "not copied"
	rm -rf "$DIR/img"
	lab_dump "$DIR/img" --action-script "$EXAMPLES/copy-image"
	expect "what is there" "$(ls "$DIR/it's there")" web
	rm -rf "$DIR/img"
	lab_restore "$DIR/it's there/web"
	lab_counts_on
	COPY_TO="$DIR/it's there/web" "$CTCR" dump --ct "$CT" -D "$DIR/img" --action-script "$EXAMPLES/copy-image" \
		> "$DIR/out" 2>&1 && fail "copied over an image"
	unharmed "refused"
	rm -rf "$DIR/img"
	COPY_TO="$DIR/here" lab_dump "$DIR/img" --action-script "$EXAMPLES/copy-image"
	lab_restore "$DIR/here"
	lab_counts_on
}

lab_main "$@"
