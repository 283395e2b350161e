#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The container's link to the host, its firewall, and a peer that keeps talking.
# shellcheck source-path=SCRIPTDIR source=lab.sh
. "$(dirname "$0")/lab.sh"

begin() {
	lab_create
	lab_start
}

# The host ends on the lab's bridge.
host_ends() {
	ip -o link show master "$BR" | sed 's/^[0-9]*: \([^@:]*\).*/\1/'
}

# restore_fails TEXT OPTIONS...
restore_fails() {
	"$CTCR" restore --ct "$CT" --veth-pair -D "$DIR/img" "${@:2}" > "$DIR/restore.out" 2>&1 &&
		fail "a restore that cannot work"
	grep -q "$1" "$DIR/restore.out" || fail "no word of $1: $(cat "$DIR/restore.out")"
	[ -z "$(host_ends)" ] || fail "left on the bridge: $(host_ends)"
}

case_given_name() {
	begin
	lab_dump "$DIR/img"
	lab_restore "$DIR/img" --external "veth[eth0]:x$LAB@$BR"
	[ "$(host_ends)" = "x$LAB" ] || fail "the host end is $(host_ends)"
	lab_ping
}

case_refusals() {
	begin
	lab_dump "$DIR/img"
	restore_fails "bridge none$LAB" --external "veth[eth0]:x$LAB@none$LAB"
	restore_fails "exists already" --external "veth[eth0]:$BR@$BR"
	lab_restore "$DIR/img"
	lab_counts_on
	lab_ping
}

# A restore that fails late takes its link back at once.
case_failed_restore() {
	begin
	lab_dump "$DIR/img"
	cat > "$DIR/veto" <<-'END'
		#!/bin/sh
		[ "$CRTOOLS_SCRIPT_ACTION" != post-setup-namespaces ]
	END
	chmod +x "$DIR/veto"
	restore_fails "" --action-script "$DIR/veto"
	lab_restore "$DIR/img"
	lab_counts_on
	lab_ping
}

case_firewall() {
	local pid before after
	begin
	pid=$(lxc-info -n "$CT" -p -H)
	nsenter -t "$pid" -n nft -f - <<-'END'
		table inet fw {
			set ok { type inet_service; elements = { 7, 53 } }
			chain in {
				type filter hook input priority 0; policy drop;
				ct state established,related accept
				iif lo accept
				tcp dport @ok accept
				meta l4proto icmp accept
				udp sport 67 accept
			}
		}
	END
	before=$(nsenter -t "$pid" -n nft list ruleset)
	python3 "$LAB_TOP/zdtm/lxc/echo-client.py" "$(lab_ip)" 7 "$DIR/go" "$DIR/done" &
	wait_for 5 test -e "$DIR/go.ready" || fail "no connection before the dump"
	lab_there_and_back
	after=$(nsenter -t "$(lxc-info -n "$CT" -p -H)" -n nft list ruleset)
	[ "$before" = "$after" ] || fail "rules: $(diff <(echo "$before") <(echo "$after"))"
	touch "$DIR/go"
	wait_for 15 test -e "$DIR/done" || fail "the connection does not answer"
	[ "$(cat "$DIR/done")" = ok ] || fail "the connection: $(cat "$DIR/done")"
	lab_ping
}

lab_main "$@"
