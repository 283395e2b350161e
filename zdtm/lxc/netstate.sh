#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The whole state of a container's network namespaces, everything set that this kernel knows, before and after:
# zdtm/lxc/netstate.py.
# shellcheck source-path=SCRIPTDIR source=lab.sh
. "$(dirname "$0")/lab.sh"

# What is in the container, below a bridge of its own, and in a namespace inside of it (unshare -n).
everything() {
	cat <<-'END'
		ip link set lo up
		ip link add va index 41 type veth peer name vb index 40
		ip link add br0 type bridge
		ip link add br1 type bridge mcast_querier 1
		ip link set va master br0
		ip link add in0 type veth peer name eth0 netns $INNER
		ip link set in0 master br1
		ip addr add 172.17.0.1/16 dev br1
		for l in va vb br0 br1 in0; do ip link set $l up; done
		ip link add mv0 link br0 type macvlan mode bridge
		ip link add mvp link vb type macvlan mode passthru nopromisc
		ip link set mv0 up
		ip link set mvp up
		ip link add vx0 type vxlan id 7 dev vb dstport 4789 group 239.7.7.7
		ip link add vx1 type vxlan external dstport 4790
		ip link add vx2 type vxlan external vnifilter dstport 4791
		ip link set vx0 up
		ip link set vx1 master br1
		ip link set vx1 up
		ip link set vx2 up
		bridge vni add dev vx2 vni 400-405
		bridge vni add dev vx2 vni 500 remote 10.3.3.3
		ip link set vx0 protodown on
		ip link set vx0 protodown_reason 3 on
		ip tuntap add tap0 mode tap
		ip tuntap add tun0 mode tun
		ip link set tap0 master br0
		ip link set tap0 up
		ip link set tun0 up
		ip addr add 10.99.0.1 peer 10.99.0.2 dev tun0
		ip link property add dev va altname 'odd.alt-name_with:chars' altname second
		ip link add 'a]b' type veth peer name 'x,y=z'
		ip link add 'üñï' type veth peer name 'abcdefghijklmno'
		ip link set 'a]b' up
		ip link set 'x,y=z' up
		ip addr add 10.77.0.1/24 dev 'a]b'
		ip link set vb alias 'ali,as = "q"'
		ip addr add 10.1.0.2/24 dev br0
		ip addr add 10.1.0.3/24 dev br0
		ip addr add 10.1.0.4/25 dev br0 valid_lft 9000 preferred_lft 8000
		ip addr add 10.2.0.2/24 dev vb scope link
		ip addr add fd00:1::2/64 dev br0 nodad
		ip addr add fd00:1::3/64 dev br0
		ip addr add fd00:2::3/64 dev vb nodad preferred_lft 0
		ip addr add 10.5.0.1/32 dev lo
		ip addr add fd00:5::1/128 dev lo
		ip route replace default via 10.1.0.9 metric 5 table 7
		for t in 1 2 3 300 70000; do for i in 1 2 3 4 5; do ip route add 10.$((t % 200)).$i.0/24 via 10.1.0.$((i + 20)) table $t metric $i; done; done
		ip -6 route add default via fd00:1::1 metric 33
		ip -6 route add fd00:7::/64 nexthop via fd00:1::5 nexthop via fd00:1::6 weight 5
		ip route add 10.8.0.0/16 nexthop via 10.1.0.30 weight 4 nexthop dev vb nexthop via 10.1.0.31 onlink dev br0
		ip rule add pref 10 iif br0 oif vb lookup 7 realms 3
		ip rule add pref 10 from 10.3.0.0/24 lookup 8
		ip rule add pref 10 from 10.4.0.0/24 lookup 9
		ip neigh add 10.1.0.77 lladdr 02:aa:00:00:00:01 dev br0
		ip neigh add proxy 10.1.0.78 dev br0
		bridge fdb add 02:00:00:00:01:01 dev va master static sticky
		bridge fdb add 02:00:00:00:01:02 dev vb self
		bridge fdb add 02:00:00:00:01:03 dev vx0 dst 10.1.0.99 vni 77 port 5000 via vb self
		bridge fdb add 02:00:00:00:01:04 dev vx1 dst 10.1.0.99 src_vni 55 vni 77 self
		bridge fdb add 02:00:00:00:01:04 dev vx1 master extern_learn
		bridge mdb add dev br0 port va grp 239.9.9.9 permanent
		ip addr add 239.3.3.3/32 dev vb autojoin
		ip maddr add 01:00:5e:00:00:99 dev vb
		tc qdisc add dev vb root handle 1: htb default 5
		tc class add dev vb parent 1: classid 1:5 htb rate 1mbit quantum 2000
		tc filter add dev vb parent 1: protocol ip prio 3 u32 match ip dport 80 0xffff flowid 1:5
		tc qdisc add dev eth0 clsact
		tc filter add dev eth0 egress protocol ip u32 match ip dst 10.7.0.1 action mirred egress mirror dev va
		for s in ipv4.conf.all.forwarding=1 ipv4.conf.default.forwarding=0 ipv4.conf.va.forwarding=0 ipv4.conf.br0.rp_filter=2 ipv4.conf.all.rp_filter=1 ipv6.conf.vb.accept_ra=2 ipv6.conf.all.forwarding=1 ipv6.conf.default.forwarding=0 ipv6.conf.va.forwarding=0 'ipv4.ip_local_port_range=2000 3000' ipv6.conf.vb.stable_secret=fd00::1234; do sysctl -q -w "net.$s"; done
		ip sr tunsrc set fd00:99::1
		nft add table inet t
		nft add set inet t s '{ type ipv4_addr; flags interval; elements = { 10.0.0.0/8, 11.0.0.1 } }'
		nft add chain inet t c '{ type nat hook postrouting priority 100; policy accept; }'
		nft add rule inet t c ip saddr @s oifname eth0 counter masquerade
	END
}

inner() {
	cat <<-'END'
		ip link set lo up
		ip link set eth0 up
		ip addr add 172.17.0.2/16 dev eth0
		ip route add default via 172.17.0.1
		ip link add br0 address 02:00:00:00:00:b0 type bridge
		ip link set br0 up
		ip neigh add 172.17.0.9 lladdr 02:aa:00:00:00:02 dev eth0
		ip rule add pref 10 from 10.3.0.0/24 lookup 8
		nft add table ip inside
		sysctl -q -w net.ipv4.ip_forward=1
	END
}

# run PID: the commands of the standard input, in its network namespace
run() {
	nsenter -t "$1" -n bash > "$DIR/setup" 2>&1 -c "trap 'echo FAILED: \$BASH_COMMAND; exit 1' ERR; $(cat)" ||
		fail "$(cat "$DIR/setup")"
}

# The host's pid of what runs unshared in the container.
inner_pid() {
	local p
	while read -r p; do
		[ "$(tr '\0' ' ' 2> /dev/null < "/proc/$p/cmdline")" != "/bin/sleep 100000 " ] || echo "$p"
	done < "/sys/fs/cgroup/pids/lxc.payload.$CT/cgroup.procs"
}

state() { # WHICH PID [BEFORE]
	"$LAB_TOP/zdtm/lxc/netstate.py" "$2" ${3:+"$3"} > "$DIR/$1"
}

# Until nothing changes any more: carriers, duplicate address detection.
settled() {
	nsenter -t "$1" -n ip addr | grep -q tentative && return 1
	state "$2" "$1" && "$LAB_TOP/zdtm/lxc/netstate.py" "$1" "$DIR/$2" 0
}

there_and_back() {
	local pid
	echo '::once:/bin/unshare -n /bin/sleep 100000' >> "/var/lib/lxc/$CT/rootfs/etc/inittab"
	lab_start
	pid=$(lxc-info -n "$CT" -p -H)
	INNER=$(inner_pid)
	[ "$(wc -w <<< "$INNER")" = 1 ] || fail "the inner namespace's process: $INNER"
	export INNER
	run "$pid" < <(everything)
	run "$INNER" < <(inner)
	wait_for 20 settled "$pid" outer || fail "it does not come to rest"
	wait_for 20 settled "$INNER" inner || fail "it does not come to rest inside"
	lab_there_and_back
	pid=$(lxc-info -n "$CT" -p -H)
	state differs "$pid" "$DIR/outer" || fail "differs: $(cat "$DIR/differs")"
	state differs "$(inner_pid)" "$DIR/inner" || fail "differs inside: $(cat "$DIR/differs")"
	lab_ping
}

case_everything() {
	lab_create
	there_and_back
}

case_everything_idmap() {
	printf 'lxc.idmap = %s 0 100000 65536\n' u g > "$DIR/more.conf"
	lab_create
	chown -Rh 100000:100000 "/var/lib/lxc/$CT/rootfs"
	chmod 755 "/var/lib/lxc/$CT"
	there_and_back
}

lab_main "$@"
