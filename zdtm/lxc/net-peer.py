# SPDX-License-Identifier: GPL-2.0-or-later
"""The outside's end of the network tests; the other is zdtm/tools/netpeer.c. First argument: what to be.

Each runs until the file STATE.stop appears, then checks all it has seen and writes "ok" or what went
wrong to STATE.done; STATE.seen holds a number that grows while data flow.

stream STATE HOST PORT          checksummed two-way stream at full speed
accept STATE HOST PORT          the same, but the container connects to us
idle STATE HOST PORT COUNT      many connections, some bytes now and then
quiet STATE HOST PORT COUNT     many connections with keepalive; nothing is said but a byte each way on
                                every one whenever the file STATE.check is made: removed when done
pool STATE PORT COUNT [HOST]    the container's connections come to us: numbered lines to and fro, a few
                                on their way all the time; seen: the least of all connections
fresh STATE HOST PORT           a new connection all the time, none may fail
redis STATE HOST PORT COUNT     a pool of connections to a redis server, a pipeline on each at any time,
                                every INCR counted once; seen: the least of all connections
http STATE HOST PORT FILE...    requests on one connection to an nginx server that says which request of
                                which connection it answers (X-Conn) and serves copies of FILE
program STATE COMMAND...        a command (ssh) that counts lines until it is sent one, then says "end"
iperf STATE HOST PORT ARG...    iperf3 for some seconds, again and again, none may fail
closed-by-us STATE HOST PORT    we have closed our direction, the container goes on
closed-by-it STATE HOST PORT    the container has closed its direction, we go on; STATE.sum is what
                                it should have got
waiting STATE HOST PORT COUNT   connections that nobody accepts for now, with data, some half closed; all
                                goes on when it is stopped
udp STATE HOST PORT             a datagram every 20 ms
probe STATE HOST PORT udp|tcp   a question every millisecond; STATE.gaps has a line "FROM TO", in microseconds
                                of the clock, for each time of more than 50 ms without an answer
watch STATE LINK [PORT...]      no RST and no ICMP unreachable may pass on LINK; arp: STATE.arp has
                                the senders of gratuitous ARP requests. Programs of PORT end their own
                                connections by RST (and would tell if others did)
"""
import ctypes
import fcntl
import http.client
import os
import random
import re
import select
import selectors
import socket
import struct
import subprocess
import sys
import termios
import threading
import time

PERIOD = 1048573
# What a stream may have on its way. With more than tcp_rmem allows in the queue of an end that reads only when
# its own data are taken, the kernel (6.18) drops what is beyond the closed window, acknowledgements with it:
# then both ends wait for good.
AHEAD = 16 << 20
PATIENCE = int(os.environ.get("PATIENCE", "20"))


class Peer:
    def __init__(self, state):
        self.state = state
        self.count = 0
        self.last = 0.0

    def stopped(self):
        return os.path.exists(self.state + ".stop")

    def write(self, what, text):
        with open(self.state + "." + what + ".new", "w") as f:
            f.write(text)
        os.rename(self.state + "." + what + ".new", self.state + "." + what)

    def seen(self, count):
        self.count += count
        now = time.monotonic()
        if now - self.last > 0.05:
            self.last = now
            self.write("seen", "%d\n" % self.count)


def dial(host, port):
    sock = socket.create_connection((host, int(port)), PATIENCE)
    sock.settimeout(PATIENCE)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def pattern():
    data = random.Random(1).randbytes(PERIOD)
    return memoryview(data + data[:65536])


def sender(peer, sock, data, sent, errors):
    try:
        at, start = 0, peer.count
        while not peer.stopped() and not errors:
            if at - (peer.count - start) > AHEAD:
                time.sleep(0.001)
                continue
            for _ in range(16):
                at += sock.send(data[at % PERIOD:at % PERIOD + 65536])
        sock.shutdown(socket.SHUT_WR)
        sent.append(at)
    except OSError as err:
        errors.append("send: %s" % err)
        sock.close()


def stream_on(peer, sock):
    data, sent, errors, at = pattern(), [], [], 0
    thread = threading.Thread(target=sender, args=(peer, sock, data, sent, errors))
    thread.start()
    try:
        while True:
            part = sock.recv(65536)
            if not part:
                break
            if part != data[at % PERIOD:at % PERIOD + len(part)]:
                raise OSError("what comes back after %d bytes is not what was sent" % at)
            at += len(part)
            peer.seen(len(part))
    except OSError as err:
        errors.append("receive: %s" % err)
    thread.join()
    if not errors and sent != [at]:
        errors.append("sent %s bytes, %d came back" % (sent, at))
    if errors:
        raise OSError("; ".join(errors))


def stream(peer, host, port):
    with dial(host, port) as sock:
        sock.sendall(b"e")
        stream_on(peer, sock)


def accept(peer, host, port):
    with socket.create_server((host, int(port))) as server:
        peer.write("ready", "\n")
        server.settimeout(PATIENCE)
        sock, _ = server.accept()
        with sock:
            sock.settimeout(PATIENCE)
            stream_on(peer, sock)


def echo(sock, text):
    sock.sendall(text)
    got = b""
    while len(got) < len(text):
        part = sock.recv(65536)
        if not part:
            raise OSError("closed after %r" % got)
        got += part
    if got != text:
        raise OSError("sent %r, got %r" % (text, got))


def idle(peer, host, port, count):
    socks = []
    for _ in range(int(count)):
        sock = dial(host, port)
        sock.sendall(b"e")
        socks.append(sock)
    at = 0
    while not peer.stopped():
        echo(socks[at % len(socks)], b"alive %d\n" % at)
        peer.seen(1)
        at += 1
        time.sleep(0.02)
    for sock in socks:
        echo(sock, b"still here\n")
    for sock in socks:
        sock.shutdown(socket.SHUT_WR)
        if sock.recv(1):
            raise OSError("more than was sent")
        sock.close()


def quiet(peer, host, port, count):
    socks = []
    for _ in range(int(count)):
        sock = dial(host, port)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 2)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 2)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 100)
        sock.sendall(b"e")
        socks.append(sock)
    peer.write("ready", "\n")
    at = 0
    while not peer.stopped():
        if not os.path.exists(peer.state + ".check"):
            time.sleep(0.05)
            continue
        text = b"%d" % (at % 10)
        for sock in socks:
            sock.sendall(text)
        for i, sock in enumerate(socks):
            got = sock.recv(10)
            if got != text:
                raise OSError("connection %d: sent %r, got %r" % (i, text, got))
        at += 1
        os.unlink(peer.state + ".check")
    for sock in socks:
        sock.shutdown(socket.SHUT_WR)
        if sock.recv(1):
            raise OSError("more than was sent")
        sock.close()


class Client:
    """One connection of a pool: what is next to be sent and what must come back for it."""

    def __init__(self, number, sock):
        self.number, self.sock = number, sock
        self.rounds, self.due = 0, 0.0
        self.got, self.want = b"", b""

    def ask(self, pipeline):
        request, self.want = pipeline(self)
        self.sock.sendall(request)
        self.due = time.monotonic() + PATIENCE

    def take(self):
        part = self.sock.recv(65536)
        if not part:
            raise OSError("connection %d is closed after %d rounds" % (self.number, self.rounds))
        self.got += part
        if not self.want.startswith(self.got):
            raise OSError("connection %d, round %d: %r instead of %r" %
                          (self.number, self.rounds, self.got, self.want))
        if len(self.got) < len(self.want):
            return
        self.got = self.want = b""
        self.rounds += 1
        self.due = time.monotonic() + 0.05 + 0.02 * (self.number % 50)


def rounds(peer, clients, pipeline):
    """A pipeline on every connection, another one some time after its answer, until we are stopped."""
    waiting = selectors.DefaultSelector()
    for c in clients:
        waiting.register(c.sock, selectors.EVENT_READ, c)
    while not peer.stopped() or any(c.want for c in clients):
        for key, _ in waiting.select(0.05):
            key.data.take()
        now, stop = time.monotonic(), peer.stopped()
        for c in clients:
            if now < c.due:
                continue
            if c.want:
                raise OSError("connection %d: no answer in round %d" % (c.number, c.rounds))
            if not stop:
                c.ask(pipeline)
        least = min(c.rounds for c in clients)
        peer.seen(least - peer.count)


def redis_pipeline(c):
    first = c.rounds * 5 + 1
    value = b"value %d of %d" % (c.rounds, c.number)
    request = b"INCR c:%d\r\n" % c.number * 5
    request += b"*3\r\n$3\r\nSET\r\n$%d\r\nk:%d\r\n$%d\r\n%s\r\n" % (
        len(b"k:%d" % c.number), c.number, len(value), value)
    request += b"GET k:%d\r\n" % c.number
    answer = b"".join(b":%d\r\n" % n for n in range(first, first + 5))
    return request, answer + b"+OK\r\n$%d\r\n%s\r\n" % (len(value), value)


def redis(peer, host, port, count):
    clients = [Client(i, dial(host, port)) for i in range(int(count))]
    rounds(peer, clients, redis_pipeline)
    with dial(host, port) as sock:
        for c in clients:
            echo_is(sock, b"GET c:%d\r\n" % c.number, b"$%d\r\n%d\r\n" % (len(str(c.rounds * 5)), c.rounds * 5))
        info = b""
        sock.sendall(b"INFO stats\r\n")
        while not info.endswith(b"\r\n\r\n") and b"total_error_replies" not in info:
            info += sock.recv(65536)
    if b"total_error_replies:0" not in info:
        raise OSError("redis has answered with errors: %r" % info)
    for c in clients:
        c.sock.close()


def lines(c):
    text = b"".join(b"line %d of connection %d\n" % (c.rounds * 5 + i, c.number) for i in range(5))
    return text, text


def pool(peer, port, count, host="::"):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, int(port)), family=family, backlog=int(count)) as server:
        peer.write("ready", "\n")
        server.settimeout(PATIENCE)
        clients = [Client(i, server.accept()[0]) for i in range(int(count))]
    for c in clients:
        c.sock.settimeout(PATIENCE)
    rounds(peer, clients, lines)
    for c in clients:
        c.sock.shutdown(socket.SHUT_WR)
        if c.sock.recv(1):
            raise OSError("more than was sent")


def http_get(conn, path, number, content):
    conn.request("GET", path)
    answer = conn.getresponse()
    body = answer.read()
    which = answer.getheader("X-Conn", "").split()
    if answer.status != 200 or body != content:
        raise OSError("GET %s: %d, %d bytes of %d" % (path, answer.status, len(body), len(content)))
    if which[1:] != [str(number)]:
        raise OSError("request %d of the connection is its %s" % (number, which))
    return which[0]


def http_requests(peer, host, port, *files):
    contents = [(os.path.basename(f), open(f, "rb").read()) for f in files]
    conn = http.client.HTTPConnection(host, int(port), timeout=PATIENCE)
    conn.connect()
    conn.auto_open = 0
    number, ids = 0, set()
    while not peer.stopped():
        name, content = contents[number % len(contents)]
        number += 1
        ids.add(http_get(conn, "/" + name, number, content))
        peer.seen(1)
        time.sleep(0.01)
    conn.close()
    if len(ids) != 1:
        raise OSError("the connections %s" % ids)


def program(peer, *argv):
    child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    at, told = 0, False
    line = child.stdout.readline().strip()
    while line == b"%d" % (at + 1):
        at += 1
        peer.seen(1)
        if peer.stopped() and not told:
            told = True
            child.stdin.write(b"stop\n")
            child.stdin.flush()
        line = child.stdout.readline().strip()
    if not told or line != b"end %d" % at or child.wait(PATIENCE):
        raise OSError("after %d lines comes %r, status %s" % (at, line, child.poll()))


def iperf(peer, host, port, *args):
    while not peer.stopped():
        argv = ["iperf3", "--client", host, "--port", port, "--forceflush", "--interval", "0.5"]
        child = subprocess.Popen(argv + list(args), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        text = ""
        for line in child.stdout:
            text += line
            if re.search(r" [1-9][0-9.]* [KMG]?bits/sec", line):
                peer.seen(1)
        if child.wait() and re.search("server is busy|unable to connect", text):
            time.sleep(0.2) # with the end of the last run; it listens anew for each
        elif child.returncode or "iperf Done." not in text:
            raise OSError("iperf3 ends with %d: %s" % (child.returncode, text[-1000:]))


def fresh(peer, host, port):
    while not peer.stopped():
        with dial(host, port) as sock:
            echo_first(sock, b"hello")
            sock.shutdown(socket.SHUT_WR)
            if sock.recv(1):
                raise OSError("more than was sent")
        peer.seen(1)
        time.sleep(0.001)


def echo_first(sock, text):
    echo_is(sock, b"e" + text, text)


def echo_is(sock, request, text):
    sock.sendall(request)
    got = sock.recv(65536)
    while got and len(got) < len(text):
        got += sock.recv(65536)
    if got != text:
        raise OSError("sent %r, got %r" % (text, got))


def read_all(sock, seen=lambda n: None):
    """What comes until the other side has ended, each part's length told to seen()."""
    got = b""
    while True:
        part = sock.recv(65536)
        if not part:
            return got
        got += part
        seen(len(part))


def closed_by_us(peer, host, port):
    with dial(host, port) as sock:
        sock.sendall(b"c")
        sock.shutdown(socket.SHUT_WR)
        got = read_all(sock, peer.seen)
    if got != b"".join(b"%d\n" % i for i in range(200)):
        raise OSError("got %r" % got[-200:])


def closed_by_it(peer, host, port):
    total = 0
    with dial(host, port) as sock:
        sock.sendall(b"s")
        if sock.recv(1):
            raise OSError("it did not close its direction")
        text = b"x%d\n"
        at = 0
        while not peer.stopped():
            part = text % at
            sock.sendall(part)
            for byte in part:
                total = (total * 31 + byte) % 2**64
            at += 1
            peer.seen(1)
            time.sleep(0.01)
    peer.write("sum", "%d\n" % total)


def not_acked(sock):
    return struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, b"\0" * 4))[0]


def waiting(peer, host, port, count):
    data, conns = pattern(), []
    for i in range(int(count)):
        sock = dial(host, port)
        text = bytes(data[i:i + (0, 10, 3000, 40000)[i % 4]])
        sock.sendall(b"e" + text)
        if i % 3 == 2:
            sock.shutdown(socket.SHUT_WR)
        conns.append((sock, text))
    while any(not_acked(sock) for sock, _ in conns):
        time.sleep(0.01)
    peer.seen(len(conns))
    while not peer.stopped():
        time.sleep(0.05)
    for i, (sock, text) in enumerate(conns):
        if i % 3 != 2:
            later = bytes(data[2 * i:2 * i + 50000])
            text += later
            sock.sendall(later)
            sock.shutdown(socket.SHUT_WR)
        got = read_all(sock)
        if got != text:
            raise OSError("connection %d: sent %d bytes, %d came back" % (i, len(text), len(got)))
        sock.close()


def udp(peer, host, port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((host, int(port)))
        at = 0
        while not peer.stopped():
            sock.send(b"%d" % at)
            if select.select([sock], [], [], 0.02)[0]:
                sock.recv(100)  # an ICMP unreachable is an error here
                peer.seen(1)
            at += 1


def probe(peer, host, port, how):
    sock = dial(host, port) if how == "tcp" else socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    gaps, last = [], 0.0
    with sock:
        if how == "tcp":
            sock.sendall(b"e")
        else:
            sock.connect((host, int(port)))
        sock.setblocking(False)
        while not peer.stopped():
            try:
                sock.send(b"?")
                if not select.select([sock], [], [], 0.001)[0]:
                    continue
                sock.recv(65536)
            except BlockingIOError:
                continue
            except OSError: # datagrams: nobody is there for now
                if how == "tcp":
                    raise
                continue
            now = time.time()
            if last and now - last > 0.01:
                gaps.append("%d %d\n" % (last * 1e6, now * 1e6))
                peer.write("gaps", "".join(gaps))
            last = now
            peer.seen(1)
            time.sleep(0.001)


# IPv4: TCP with FIN or RST, ICMP of type 3; IPv6: TCP with FIN or RST, ICMPv6 of type 1; ARP
FILTER = [
    (0x28, 0, 0, 12), (0x15, 0, 9, 0x800), (0x30, 0, 0, 23), (0x15, 0, 3, 6), (0xb1, 0, 0, 14),
    (0x50, 0, 0, 27), (0x45, 13, 14, 5), (0x15, 0, 13, 1), (0xb1, 0, 0, 14), (0x50, 0, 0, 14),
    (0x15, 9, 10, 3), (0x15, 0, 7, 0x86dd), (0x30, 0, 0, 20), (0x15, 0, 2, 6), (0x30, 0, 0, 67),
    (0x45, 4, 5, 5), (0x15, 0, 4, 58), (0x30, 0, 0, 54), (0x15, 1, 2, 1), (0x15, 0, 1, 0x806),
    (6, 0, 0, 200), (6, 0, 0, 0),
]


def describe(frame):
    kind = struct.unpack("!H", frame[12:14])[0]
    if kind == 0x800:
        return "%s > %s protocol %d: %s" % (socket.inet_ntoa(frame[26:30]), socket.inet_ntoa(frame[30:34]),
                                            frame[23], frame[14 + (frame[14] & 15) * 4:].hex())
    return "%s > %s protocol %d: %s" % (socket.inet_ntop(socket.AF_INET6, frame[22:38]),
                                        socket.inet_ntop(socket.AF_INET6, frame[38:54]), frame[20],
                                        frame[54:].hex())


def tcp_segment(frame):
    """Source and destination (address with port) and flags of a TCP segment; None of anything else."""
    ip6 = frame[12:14] == b"\x86\xdd"
    at = 54 if ip6 else 14 + (frame[14] & 15) * 4
    if frame[20 if ip6 else 23] != 6:
        return None
    src, dst = (frame[22:38], frame[38:54]) if ip6 else (frame[26:30], frame[30:34])
    return src + frame[at:at + 2], dst + frame[at + 2:at + 4], frame[at + 13]


class Judge:
    """What may not pass. A FIN that is sent twice on a busy machine is answered by a bare RST when both
    sides have closed: that is no fault."""

    def __init__(self, ports):
        self.own = {struct.pack("!H", int(p)) for p in ports}
        self.closed = set()

    def bad(self, frame):
        seg = tcp_segment(frame)
        if not seg:
            return True
        src, dst, flags = seg
        if flags & 1:
            self.closed.add((src, dst))
        if not flags & 4 or self.own & {src[-2:], dst[-2:]}:
            return False
        return flags & 16 or not {(src, dst), (dst, src)} <= self.closed


def watch(peer, link, *ports):
    judge = Judge(ports)
    code = b"".join(struct.pack("HBBI", *row) for row in FILTER)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as sock:
        buf = ctypes.create_string_buffer(code)
        prog = struct.pack("HP", len(code) // 8, ctypes.addressof(buf))
        sock.setsockopt(socket.SOL_SOCKET, 26, prog)
        sock.bind((link, 3))
        index = socket.if_nametoindex(link)
        sock.setsockopt(263, 1, struct.pack("IHH8s", index, 1, 0, b""))  # promiscuous
        while sock in select.select([sock], [], [], 0)[0]:
            sock.recv(65536)  # from before the filter
        peer.write("ready", "\n")
        bad = []
        while True:
            stop = peer.stopped()
            if not select.select([sock], [], [], 0.1)[0]:
                if stop:
                    break
                continue
            frame = sock.recv(65536)
            if frame[12:14] == b"\x08\x06":
                if frame[28:32] == frame[38:42]:
                    with open(peer.state + ".arp", "a") as f:
                        f.write(socket.inet_ntoa(frame[28:32]) + "\n")
                continue
            if judge.bad(frame):
                bad.append(describe(frame))
                peer.seen(1)
    if bad:
        raise OSError("seen on %s: %s" % (link, "; ".join(bad[:10])))


def main():
    peer = Peer(sys.argv[2])
    try:
        globals()[sys.argv[1].replace("-", "_")](peer, *sys.argv[3:])
        result = "ok"
    except OSError as err:
        result = "%s: %s" % (sys.argv[1], err)
    peer.write("done", result + "\n")


main()
