#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Real servers of Debian (nginx, redis, sshd, iperf3) in a container, below busybox or systemd, with clients
# outside that hold their connections through all dumps and restores: none is reset, reopened or loses a byte.
# shellcheck source-path=SCRIPTDIR source=lab.sh
. "$(dirname "$0")/lab.sh"
# shellcheck source=peers.sh
. "$(dirname "$0")/peers.sh"

RELEASE=bookworm
PACKAGES="nginx-light redis-server openssh-server iperf3"
CACHE=/var/cache/lxc
DEBIAN=$CACHE/debian/rootfs-$RELEASE-amd64 # LXC's template makes and keeps it
SERVERS=$CACHE/ctcr-servers-$RELEASE-amd64
ROOT=/var/lib/lxc/$CT/rootfs
NET6=fd87:${NET##*.}
PORT=9

# The root file system with the servers, made once: LXC's own, and packages by the host's apt.
servers_root() {
	local new=$SERVERS.new apt=("-o=Dir::State::status=$SERVERS.new/var/lib/dpkg/status"
		"-o=Dir::Cache::archives=$SERVERS.new/tmp/debs" -o=APT::Keep-Downloaded-Packages=true)
	[ ! -d "$SERVERS" ] || return 0
	if [ ! -d "$DEBIAN" ]; then
		lxc-create -n "$CT" -t debian -f "$DIR/net.conf" -- -r "$RELEASE" && lxc-destroy -n "$CT" || return
	fi
	rm -rf "$new"
	mkdir "$new" || return
	tar -C "$DEBIAN" -c --one-file-system --exclude ./usr/share/{doc,locale,man,i18n} --exclude ./var/cache/apt \
		--exclude ./var/lib/apt/lists . | tar -C "$new" -x || return
	mkdir -p "$new/tmp/debs/partial" "$new/var/lib/apt/lists" "$new/var/cache/apt"
	printf '#!/bin/sh\nexit 101\n' > "$new/usr/sbin/policy-rc.d"
	chmod +x "$new/usr/sbin/policy-rc.d"
	apt-cache show nginx-light > /dev/null 2>&1 || apt-get update
	# shellcheck disable=SC2086
	apt-get "${apt[@]}" -y --no-install-recommends --download-only install $PACKAGES &&
		chroot "$new" sh -c 'DEBIAN_FRONTEND=noninteractive dpkg -i /tmp/debs/*.deb && rm -rf /tmp/debs' &&
		rm "$new/usr/sbin/policy-rc.d" && mv "$new" "$SERVERS"
}

# servers_create: the container with them; its address is $IP, and $IP6.
servers_create() {
	IP=$NET.40 IP6=$NET6::40
	command -v debootstrap > /dev/null || skip "debootstrap is not installed"
	( flock 9 && servers_root ) 9> "$CACHE/ctcr-servers.lock" > "$DIR/create.log" 2>&1 || {
		tail -3 "$DIR/create.log"
		skip "no Debian container with servers can be made here: $(tail -1 "$DIR/create.log")"
	}
	ip -6 addr add "$NET6::1/64" dev "$BR" nodad
	mkdir -p "$ROOT"
	cp -a "$SERVERS/." "$ROOT/"
	cp "$OUT/zdtm/tools/netpeer" "$ROOT/netpeer"
	cat > "/var/lib/lxc/$CT/config" <<-END
		lxc.include = /usr/share/lxc/config/common.conf
		lxc.rootfs.path = dir:$ROOT
		lxc.uts.name = $CT
		lxc.net.0.type = veth
		lxc.net.0.link = $BR
		lxc.net.0.flags = up
		lxc.net.0.ipv4.address = $IP/24
		lxc.net.0.ipv4.gateway = $NET.1
		lxc.net.0.ipv6.address = $IP6/64
	END
	servers_configure
}

servers_configure() {
	local i
	for i in 1 100 10000 1000000; do
		head -c "$i" "$OUT/ctcr" > "$ROOT/var/www/html/file$i"
	done
	# shellcheck disable=SC2016
	echo 'keepalive_timeout 300s; keepalive_requests 10000000; add_header X-Conn "$connection $connection_requests";' \
		> "$ROOT/etc/nginx/conf.d/lab.conf"
	printf '%s\n' 'bind * -::*' 'protected-mode no' 'maxclients 5000' 'loglevel notice' > "$ROOT/etc/redis/lab.conf"
	sed 's/^bind .*//; s/^daemonize .*/daemonize no/; $ainclude /etc/redis/lab.conf' "$SERVERS/etc/redis/redis.conf" \
		> "$ROOT/etc/redis/redis.conf"
	ssh-keygen -q -t ed25519 -N '' -f "$DIR/key"
	install -D -m 600 "$DIR/key.pub" "$ROOT/root/.ssh/authorized_keys"
	ssh-keygen -A -f "$ROOT" > /dev/null
}

# The plain init: busybox, with the servers as its children.
servers_init() { # MORE LINES OF ITS TABLE...
	cp "$(command -v busybox)" "$ROOT/bin/busybox"
	echo "lxc.init.cmd = /bin/busybox init" >> "/var/lib/lxc/$CT/config"
	{
		echo "::sysinit:/bin/mkdir -p /run/sshd /run/redis"
		echo "::once:/usr/sbin/nginx -g \"daemon off;\""
		echo "::once:/usr/bin/redis-server /etc/redis/redis.conf"
		echo "::once:/usr/sbin/sshd -D"
		echo "::once:/usr/bin/iperf3 --server"
		echo "::once:/netpeer serve $PORT"
		printf '%s\n' "$@"
	} > "$ROOT/etc/inittab"
}

servers_start() {
	lxc-start -n "$CT" -o "$DIR/start.log" || { cat "$DIR/start.log"; fail "lxc-start"; }
	watch_bridge 5201
	for port in 80 6379 22 5201 $PORT; do
		wait_for 30 listens "$port" || fail "nothing listens on port $port"
	done
}

listens() { # PORT
	in_net ss -Hltn "sport = :$1" | grep -q .
}

SSH=(ssh -n -i "$DIR/key" -o StrictHostKeyChecking=no -o "UserKnownHostsFile=$DIR/known" -o LogLevel=ERROR
	-o ServerAliveInterval=15 -o ServerAliveCountMax=20 -o ConnectTimeout=30)

# Each server takes new connections and knows what it knew.
servers_answer() {
	busybox wget -q -O - "http://$IP/file10000" | cmp - "$ROOT/var/www/html/file10000" || fail "nginx"
	"${SSH[@]}" "root@$IP" true || fail "sshd"
	[ "$(redis_says PING)" = +PONG ] || fail "redis"
}

redis_says() { # COMMAND
	exec 8<> "/dev/tcp/$IP/6379"
	printf '%s\r\n' "$1" >&8
	head -1 <&8 | tr -d '\r'
	exec 8>&-
}

quiet_ones_live() { # NAME
	touch "$DIR/$1.check"
	wait_for "$PATIENCE" test ! -e "$DIR/$1.check" || fail "$1: $(cat "$DIR/$1.done")"
}

ALL=(stream http redis ssh iperf)

all_clients() {
	# shellcheck disable=SC2016
	local command='stty -echo; i=0; until read -t 0.05 x; do echo $((++i)); done; echo end $i'
	export PATIENCE=100
	peer stream stream "$IP" "$PORT"
	peer quiet quiet "$IP" "$PORT" 300
	peer http-requests http "$IP" 80 "$ROOT"/var/www/html/file*
	peer redis redis "$IP" 6379 1000
	peer program ssh "${SSH[@]/-n/-tt}" "root@$IP" "$command"
	peer iperf iperf "$IP" 5201 --time 10 --bidir --bitrate 200M
	wait_for 30 test -e "$DIR/quiet.ready" || fail "300 connections: $(cat "$DIR/quiet.done")"
}

all_live() { # WHEN
	local p
	for p in "${ALL[@]}"; do
		peer_moves "$p" "$1"
	done
	quiet_ones_live quiet
	servers_answer
}

# A busybox container beside it, which is let alone.
neighbour() {
	local ct=${CT}n
	lab_create "$ct"
	cp "$OUT/zdtm/tools/netpeer" "/var/lib/lxc/$ct/rootfs/netpeer"
	echo "::once:/netpeer serve $PORT" >> "/var/lib/lxc/$ct/rootfs/etc/inittab"
	lab_start "$ct"
	peer idle neighbour "$(lab_ip "$ct")" "$PORT" 20
	ALL+=(neighbour)
}

case_all() {
	local t
	neighbour
	servers_create
	servers_init
	servers_start
	all_clients
	for t in 0 0 1 0 3 0 8 1 0 30; do
		all_live "before it is away for $t s"
		away "$t"
	done
	all_live "at the end"
	peer_ok "${ALL[@]}" quiet watch
}


# The clients of the pool and of the stream, and new ones.
some_live() { # WHEN
	peer_moves stream "$1"
	peer_moves redis "$1"
	peer_moves in "$1"
	peer_moves out "$1"
	servers_answer
}

# Over IPv6, and the container's own connections to servers outside: one after the other, then on another bridge.
case_ipv6_outwards() {
	local t
	BR2=${BR}b
	servers_create
	peer accept out "$NET.1" 7777
	peer pool in 7778 200 ::
	wait_for 5 test -e "$DIR/out.ready" && wait_for 5 test -e "$DIR/in.ready" || fail "no servers outside"
	cat > "$ROOT/outwards" <<-END
		while ip -6 addr show tentative | grep inet6; do sleep 0.1; done > /dev/null
		/netpeer connect $NET.1 7777 &
		exec /netpeer connect $NET6::1 7778 200
	END
	servers_init "::once:/bin/sh /outwards"
	servers_start
	export PATIENCE=60
	peer stream stream "$IP6" "$PORT"
	peer redis redis "$IP6" 6379 500
	for t in 0 2 0; do
		some_live "before it is away for $t s"
		away "$t"
	done
	some_live "before it comes to another bridge"
	cable "" "$BR2"
	away 0 --veth-pair "eth0=${BR}z@$BR2"
	[ "$(ip -br link show master "$BR2" | sed -n "s/^\\(${BR}z\\)@.*/\\1/p")" = "${BR}z" ] ||
		fail "on the bridge: $(ip -br link show master "$BR2")"
	some_live "on the other bridge"
	peer_ok stream redis in out watch
}

# The same servers as services of systemd.
systemd_init() {
	local unit=$ROOT/etc/systemd/system name
	echo "lxc.include = /usr/share/lxc/config/debian.common.conf" >> "/var/lib/lxc/$CT/config"
	for name in udev.service systemd-udevd.service; do ln -sf /dev/null "$unit/$name"; done
	ln -sf /lib/systemd/system/multi-user.target "$unit/default.target"
	for name in "iperf3:/usr/bin/iperf3 --server" "netpeer:/netpeer serve $PORT"; do
		printf '[Service]\nExecStart=%s\n' "${name#*:}" > "$unit/${name%%:*}.service"
		ln -s "../${name%%:*}.service" "$unit/multi-user.target.wants/"
	done
}

case_systemd() {
	local t
	servers_create
	systemd_init
	servers_start
	all_clients
	for t in 0 1 0 3 0; do
		all_live "before it is away for $t s"
		away "$t"
	done
	all_live "at the end"
	peer_ok "${ALL[@]}" quiet watch
}

own_down() {
	[ -z "${CABLE:-}" ] || ip link del "$CABLE" 2> /dev/null
	[ -z "${BR2:-}" ] || ip link del "$BR2" 2> /dev/null
}

lab_main "$@"
