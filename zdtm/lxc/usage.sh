#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Wrong usage, and places that cannot be written: one line that says what, exit status 1, nothing changed.
# shellcheck source-path=SCRIPTDIR source=lab.sh
. "$(dirname "$0")/lab.sh"

DIR=/var/tmp/ctcr-usage.$$

down() {
	mountpoint -q "$DIR/m" && umount "$DIR/m"
	[ -z "${pid:-}" ] || kill -9 "$pid" 2> /dev/null
	cd /
	rm -rf "$DIR"
}

begin() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	mkdir -p "$DIR/m"
	chmod 755 "$DIR"
	cd "$DIR" || fail "cd"
	setsid bash -c 'for ((i = 3; i < 300; i++)); do eval "exec $i>&-"; done; exec sleep 98765' \
		< /dev/null > /dev/null 2>&1 &
	pid=$!
	disown
	wait_for 5 grep -q sleep "/proc/$pid/comm" || fail "it does not start"
}

no() { # TEXT COMMAND...: refused with exactly one line that has TEXT
	local text=$1 out status
	shift
	out=$(timeout 20 "$@" 2>&1)
	status=$?
	[ $status = 1 ] || fail "$*: exit $status: $out"
	[ "$(wc -l <<< "$out")" = 1 ] || fail "$*: more than one line: $out"
	case $out in *"$text"*) ;; *) fail "$*: not '$text': $out" ;; esac
	grep -q '^TracerPid:.0$' "/proc/$pid/status" && grep -q '^State:.S' "/proc/$pid/status" || fail "$*: the process is not as it was"
	[ -z "$(find "$DIR" -name '*.img')" ] || fail "$*: leaves an image"
}

case_words() {
	begin
	no "did you mean dump" "$CTCR" dmp
	no "did you mean --leave-running" "$CTCR" dump --leave-runing -t "$pid" -D x
	no "needs an argument" "$CTCR" dump -t
	no "what to dump" "$CTCR" dump
	no "not a process id" "$CTCR" dump -t abc -D x
	no "No such process" "$CTCR" dump -t 4194000 -D x
	no "ctcr itself" "$CTCR" dump -t $$ -D x
	no "needs root" setpriv --reuid 1000 --clear-groups "$CTCR" check -t "$pid"
	no "needs root" setpriv --reuid 1000 --clear-groups "$CTCR" check --ct none
	no "needs root" setpriv --reuid 1000 --clear-groups "$CTCR" dump --ct none
	no "needs root" setpriv --reuid 1000 --clear-groups "$CTCR" restore -D "$DIR"
	no "needs root" setpriv --reuid 1000 --clear-groups "$CTCR" console --ct none
}

case_places() {
	begin
	touch file
	no "Not a directory" "$CTCR" dump -t "$pid" -D file
	no "No such file" "$CTCR" dump -t "$pid" -D /proc/none
	no "No such file" "$CTCR" restore -D none
	mkdir empty
	no "no image" "$CTCR" restore -D empty
	no "no image" "$CTCR" verify empty
	mkdir full
	echo mine > full/tasks
	no "is not empty (tasks" "$CTCR" dump -t "$pid" -D full
	[ "$(ls -A full)" = tasks ] && [ "$(cat full/tasks)" = mine ] || fail "something was left in a directory that is not empty"
	mount -t tmpfs -o ro none m || skip "no tmpfs"
	no "Read-only file system" "$CTCR" dump -t "$pid" -D m/x
	umount m
	mount -t tmpfs -o size=40k none m
	no "No space left" "$CTCR" dump -t "$pid" -D m/x
	umount m
}

# What a restore meets: the same directory again, a pid in use, files that are there or cannot be made.
case_restores() {
	begin
	"$CTCR" dump -t "$pid" -D img --leave-running > /dev/null 2>&1 || fail "dump"
	mv img away
	again "holds an image already" "$CTCR" dump -t "$pid" -D away
	again "is taken" "$CTCR" restore -D away -d
	kill -9 "$pid"
	wait_for 5 test ! -e "/proc/$pid" || fail "it does not end"
	echo 1 > "$DIR/pidfile"
	again "File exists" "$CTCR" restore -D away -d --pidfile "$DIR/pidfile"
	[ "$(cat pidfile)" = 1 ] || fail "the pid file was written over"
	again "none" "$CTCR" restore -D away -d --root "$DIR/none"
	[ ! -e "/proc/$pid" ] || fail "a restore that failed left its process"
	"$CTCR" restore -D away -d > out 2>&1 || fail "$(cat out)"
	kill -0 "$pid" || fail "restored elsewhere"
}

# A dump that fails leaves the place as it found it; its log, if that says more than was shown, beside it.
case_left() {
	local before
	begin
	before=$(find . | sort)
	no "No such file" "$CTCR" dump -t "$pid" -D a/b/c
	CTCR_FAIL_STAGE=memory no "CTCR_FAIL_STAGE" "$CTCR" dump -t "$pid" -D new/
	[ "$(find . | sort)" = "$before" ] || fail "left: $(find . | sort)"
	mkdir old
	echo theirs > old/notes.log
	before=$(find . | sort)
	CTCR_FAIL_STAGE=memory no "CTCR_FAIL_STAGE" "$CTCR" dump -t "$pid" -D old
	[ "$(find . | sort)" = "$before" ] || fail "left in a directory of others: $(find . | sort)"
	printf '#!/bin/sh\necho the script has its reasons\n[ $CRTOOLS_SCRIPT_ACTION != post-dump ]\n' > script
	chmod +x script
	for dir in old ./new/; do
		"$CTCR" dump -t "$pid" -D "$dir" --action-script ./script > out 2>&1 && fail "not refused"
		dir=$(basename "$dir")
		grep -q "the log is $DIR/$dir.failed.log\$" out || fail "where is the log? $(cat out)"
		grep -q "has its reasons" "$dir.failed.log" || fail "the log: $(cat "$dir.failed.log")"
		rm out "$dir.failed.log"
	done
	rm script
	[ "$(find . | sort)" = "$before" ] || fail "left by a script's refusal: $(find . | sort)"
	"$CTCR" dump -t "$pid" -D old --leave-running > out 2>&1 || fail "dump: $(cat out)"
	echo "what it said" > old/dump.log
	"$CTCR" dump -t "$pid" -D old > out 2>&1 && fail "dumped over an image"
	[ "$(cat old/dump.log)" = "what it said" ] || fail "the log of another dump was written over"
}

# So few descriptors that nothing can be done with them.
case_few_files() {
	begin
	no "open files" sh -c 'ulimit -n 8; exec "$@"' sh "$CTCR" dump -t "$pid" -D new
	no "open files" sh -c 'ulimit -n 8; exec "$@"' sh "$CTCR" check -t "$pid"
	[ ! -e new ] || fail "left a directory"
	(ulimit -n 64 && "$CTCR" dump -t "$pid" -D new && "$CTCR" restore -d -D new) > out 2>&1 || fail "64 are enough: $(cat out)"
}

again() { # as no(), but an image is there
	local text=$1 out status
	shift
	out=$(timeout 20 "$@" 2>&1)
	status=$?
	[ $status = 1 ] && [ "$(wc -l <<< "$out")" = 1 ] || fail "$*: exit $status: $out"
	case $out in *"$text"*) ;; *) fail "$*: not '$text': $out" ;; esac
	"$CTCR" verify away > /dev/null || fail "$*: the image has changed"
}

if [ "${1:-list}" = list ]; then
	lab_main list
	exit
fi
trap down EXIT
trap 'exit 1' HUP INT TERM
"case_$1"
