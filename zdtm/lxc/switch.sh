#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A real Open vSwitch with its datapath in user space (datapath_type=netdev), for kernels without its module:
# the container's link is a port, LXC and attach-switch see to it, a connection goes on over dump and restore.
# shellcheck source-path=SCRIPTDIR source=lab.sh
. "$(dirname "$0")/lab.sh"

SW=o$LAB
HOOK=$LAB_TOP/scripts/action-scripts/attach-switch

own_down() {
	ip link del "x$LAB" 2> /dev/null
	[ ! -e "$OVS_RUNDIR/vswitchd.pid" ] || {
		ovs-appctl -t "$OVS_RUNDIR/vswitchd.ctl" exit --cleanup
		wait_for 10 test ! -e "$OVS_RUNDIR/vswitchd.pid"
	}
	[ ! -s "$OVS_RUNDIR/ovsdb.pid" ] || kill "$(cat "$OVS_RUNDIR/ovsdb.pid")"
}

# Its database and everything else are below the test's directory; it has a cable to the lab's bridge.
switch_up() {
	export OVS_RUNDIR=$DIR/ovs OVS_LOGDIR=$DIR/ovs OVS_DBDIR=$DIR/ovs OVS_SYSCONFDIR=$DIR/ovs
	command -v ovs-vswitchd > /dev/null || skip "Open vSwitch is not installed"
	[ ! -e /sys/class/net/ovs-netdev ] || skip "an Open vSwitch with a datapath in user space runs already"
	mkdir "$OVS_RUNDIR"
	{
		ovsdb-tool create "$OVS_RUNDIR/conf.db" /usr/share/openvswitch/vswitch.ovsschema
		ovsdb-server "$OVS_RUNDIR/conf.db" --remote="punix:$OVS_RUNDIR/db.sock" --detach --no-chdir \
			--pidfile="$OVS_RUNDIR/ovsdb.pid" --unixctl="$OVS_RUNDIR/ovsdb.ctl" --log-file
		ovs-vsctl --no-wait init
		ovs-vswitchd "unix:$OVS_RUNDIR/db.sock" --detach --no-chdir --log-file \
			--pidfile="$OVS_RUNDIR/vswitchd.pid" --unixctl="$OVS_RUNDIR/vswitchd.ctl"
		ovs-vsctl --timeout=20 add-br "$SW" -- set bridge "$SW" datapath_type=netdev
	} > "$DIR/ovs.out" 2>&1 || fail "Open vSwitch: $(cat "$DIR/ovs.out")"
	ip link add "x$LAB" type veth peer name "y$LAB"
	ip link set "x$LAB" master "$BR" up
	ip link set "y$LAB" up
	# A datapath in user space does not complete checksums.
	ethtool -K "x$LAB" tx off > /dev/null
	ethtool -K "$BR" tx off > /dev/null
	ovs-vsctl --timeout=20 add-port "$SW" "y$LAB" || fail "add-port"
}

port_of() { # the container's, as the switch has it
	ovs-vsctl list-ports "$SW" | grep -v "^y$LAB\$"
}

case_connection() {
	local i port
	switch_up
	printf 'lxc.net.0.type = veth\nlxc.net.0.link = %s\nlxc.net.0.flags = up\n' "$SW" > "$DIR/net.conf"
	lab_create
	lab_start
	nsenter -t "$(lxc-info -n "$CT" -p -H)" -n ethtool -K eth0 tx off > /dev/null || fail "ethtool"
	python3 "$LAB_TOP/zdtm/lxc/echo-client.py" "$(lab_ip)" 7 "$DIR/go" "$DIR/done" &
	wait_for 10 test -e "$DIR/go.ready" || fail "no connection before the dump: $(cat "$DIR/done")"
	export SWITCH_PORTS="eth0=$SW,other_config:of=$LAB"
	for i in 1 2; do
		rm -rf "$DIR/img"
		lab_dump "$DIR/img" --action-script "$HOOK"
		lab_restore "$DIR/img" --action-script "$HOOK"
		lab_counts_on
		port=$(port_of)
		[ "$(ovs-vsctl get port "${port##*$'\n'}" other_config)" = "{of=$LAB}" ] || fail "$i: ports: $port"
		lab_ping "$i"
	done
	touch "$DIR/go"
	wait_for 15 test -e "$DIR/done" || fail "the connection does not answer"
	[ "$(cat "$DIR/done")" = ok ] || fail "$(cat "$DIR/done")"
	wait
	lab_dump "$DIR/img2"
	SWITCH_PORTS="eth0=nosuch" "$CTCR" restore --ct "$CT" --veth-pair -D "$DIR/img2" --action-script "$HOOK" \
		> "$DIR/out" 2>&1 && fail "restored without a switch"
	lab_restore "$DIR/img2" --action-script "$HOOK"
	lab_ping "after one that failed"
}

lab_main "$@"
