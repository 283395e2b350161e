#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Again and again: a self-checking process is dumped and restored many times in a row, and dumped by a
# ctcr that is killed at random moments; nothing ever harms it.
# shellcheck source-path=SCRIPTDIR source=lab.sh
. "$(dirname "$0")/lab.sh"

DIR=/var/tmp/ctcr-repeat.$$
STEADY=$OUT/zdtm/tools/steady

down() {
	for p in $(pgrep -f "^$STEADY $DIR/"); do kill -9 "$p" 2> /dev/null; done
	rm -rf "$DIR"
}

start() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	[ -x "$STEADY" ] || skip "zdtm/tools are not built"
	mkdir -p "$DIR"
	setsid bash -c 'for ((i = 3; i < 300; i++)); do eval "exec $i>&-"; done; exec "$@"' - "$STEADY" "$DIR/n" \
		< /dev/null > /dev/null 2>&1 &
	disown
	wait_for 10 test -s "$DIR/n" || fail "it does not start"
	pid=$(pgrep -o -f "^$STEADY $DIR/")
}

gone() {
	wait_for 5 test ! -e "/proc/$pid" || fail "it does not end"
}

beyond() {
	[ "$(cat "$DIR/n")" -gt "$1" ]
}

good() { # WHEN
	wait_for 10 beyond $(($(cat "$DIR/n") + 2)) ||
		fail "$1: it does not go on: $(cat "$DIR/n.bad" 2> /dev/null)"
	[ ! -e "$DIR/n.bad" ] || fail "$1: $(cat "$DIR/n.bad")"
}

case_in_a_row() {
	local i
	start
	for i in $(seq 30); do
		"$CTCR" dump -t "$pid" -D "$DIR/img" > "$DIR/out" 2>&1 || fail "dump $i: $(cat "$DIR/out")"
		gone
		"$CTCR" restore -D "$DIR/img" -d > "$DIR/out" 2>&1 || fail "restore $i: $(cat "$DIR/out")"
		rm -rf "$DIR/img"
		good "round $i"
	done
}

case_killed() {
	local i ctcr
	start
	for i in $(seq 200); do
		"$CTCR" dump -t "$pid" -D "$DIR/img" --leave-running > "$DIR/out" 2>&1 &
		ctcr=$!
		sleep "0.$(printf %03d $((RANDOM % 60)))"
		kill -9 $ctcr 2> /dev/null
		wait $ctcr 2> /dev/null
		rm -rf "$DIR/img"
		[ ! -e "$DIR/n.bad" ] && kill -0 "$pid" 2> /dev/null || fail "kill $i: $(cat "$DIR/n.bad" 2> /dev/null)"
	done
	good "200 kills"
	"$CTCR" dump -t "$pid" -D "$DIR/img" > "$DIR/out" 2>&1 || fail "dump: $(cat "$DIR/out")"
	gone
	"$CTCR" restore -D "$DIR/img" -d > "$DIR/out" 2>&1 || fail "restore: $(cat "$DIR/out")"
	good restored
}

if [ "${1:-list}" = list ]; then
	lab_main list
	exit
fi
# what it leaves is reaped here at once, not by an init that takes its time
[ -n "${REAPER:-}" ] || REAPER=1 exec python3 -c 'import ctypes, os, sys
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
os.execv(sys.argv[1], sys.argv[1:])' "$0" "$@"
trap down EXIT
trap 'exit 1' HUP INT TERM
"case_$1"
