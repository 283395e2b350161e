# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Ends outside of the container (net-peer.py), for the tests of connections; sourced after lab.sh.
PATIENCE=20

# peer WHAT NAME ARGUMENTS...: an end outside of the container, net-peer.py
peer() {
	python3 "$LAB_TOP/zdtm/lxc/net-peer.py" "$1" "$DIR/$2" "${@:3}" &
}

peer_moves() { # NAME: data flow from now on
	local was
	was=$(cat "$DIR/$1.seen" 2> /dev/null || echo 0)
	wait_for "$PATIENCE" peer_beyond "$1" "$was" ||
		fail "$1: nothing moves${2:+ $2}: $(cat "$DIR/$1.done" 2> /dev/null)"
}

peer_beyond() {
	[ "$(cat "$DIR/$1.seen")" -gt "$2" ]
}

peer_ok() { # NAME...: they stop, and have seen no fault
	local p
	for p in "$@"; do touch "$DIR/$p.stop"; done
	for p in "$@"; do
		wait_for $((PATIENCE + 10)) test -e "$DIR/$p.done" || fail "$p does not come to an end"
		[ "$(cat "$DIR/$p.done")" = ok ] || fail "$(cat "$DIR/$p.done")"
	done
}

watch_bridge() { # [PORTS WHOSE PROGRAMS RESET CONNECTIONS THEMSELVES]
	peer watch watch "$BR" "$@"
	wait_for 5 test -e "$DIR/watch.ready" || fail "the bridge cannot be watched: $(cat "$DIR/watch.done")"
}

away() { # SECONDS [OPTIONS OF THE RESTORE]
	rm -rf "$DIR/img"
	lab_dump "$DIR/img" --stats "$DIR/dump.stats"
	sleep "$1"
	lab_restore "$DIR/img" "${@:2}" --stats "$DIR/restore.stats"
	echo "$SECONDS s: was away for $1 s: $(total_ms dump), $(total_ms restore)"
}

total_ms() { # dump|restore
	echo "$1 $(sed -n 's/.*"total_ms": \([0-9]*\).*/\1/p' "$DIR/$1.stats") ms"
}

in_net() { # a command of ours in the container's network
	nsenter -n -t "$(lxc-info -n "$CT" -p -H)" "$@"
}

# A cable between the first bridge and another one: bridge $2, in the namespace $1 if it is not "".
cable() {
	CABLE=${BR}x
	local there=(ip)
	[ -z "$1" ] || there=(ip -n "$1")
	"${there[@]}" link add "$2" type bridge
	"${there[@]}" link set "$2" up
	ip link add "$CABLE" type veth peer name "${BR}y"
	[ -z "$1" ] || ip link set "${BR}y" netns "$1"
	"${there[@]}" link set "${BR}y" master "$2" up
	ip link set "$CABLE" master "$BR" up
}
