# SPDX-License-Identifier: GPL-2.0-or-later
"""The outside's end of the network tests; the other is zdtm/tools/netpeer.c. First argument: what to be.

Each runs until the file STATE.stop appears, then checks all it has seen and writes "ok" or what went
wrong to STATE.done; STATE.seen holds a number that grows while data flow.

stream STATE HOST PORT          checksummed two-way stream at full speed
accept STATE HOST PORT          the same, but the container connects to us
idle STATE HOST PORT COUNT      many connections, some bytes now and then
fresh STATE HOST PORT           a new connection all the time, none may fail
closed-by-us STATE HOST PORT    we have closed our direction, the container goes on
closed-by-it STATE HOST PORT    the container has closed its direction, we go on; STATE.sum is what
                                it should have got
waiting STATE HOST PORT COUNT   connections that nobody accepts for now, with data, some half closed; all
                                goes on when it is stopped
udp STATE HOST PORT             a datagram every 20 ms
watch STATE LINK                no RST and no ICMP unreachable may pass on LINK; arp: STATE.arp has
                                the senders of gratuitous ARP requests
"""
import ctypes
import fcntl
import os
import random
import select
import socket
import struct
import sys
import termios
import threading
import time

PERIOD = 1048573
PATIENCE = 20


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
        at = 0
        while not peer.stopped():
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
    sock.sendall(b"e" + text)
    got = sock.recv(65536)
    while got and len(got) < len(text):
        got += sock.recv(65536)
    if got != text:
        raise OSError("sent %r, got %r" % (text, got))


def closed_by_us(peer, host, port):
    with dial(host, port) as sock:
        sock.sendall(b"c")
        sock.shutdown(socket.SHUT_WR)
        got = b""
        while True:
            part = sock.recv(65536)
            if not part:
                break
            got += part
            peer.seen(len(part))
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
        got = b""
        while True:
            part = sock.recv(65536)
            if not part:
                break
            got += part
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


# IPv4: TCP with RST, ICMP of type 3; IPv6: TCP with RST, ICMPv6 of type 1; ARP
FILTER = [
    (0x28, 0, 0, 12), (0x15, 0, 9, 0x800), (0x30, 0, 0, 23), (0x15, 0, 3, 6), (0xb1, 0, 0, 14),
    (0x50, 0, 0, 27), (0x45, 13, 14, 4), (0x15, 0, 13, 1), (0xb1, 0, 0, 14), (0x50, 0, 0, 14),
    (0x15, 9, 10, 3), (0x15, 0, 7, 0x86dd), (0x30, 0, 0, 20), (0x15, 0, 2, 6), (0x30, 0, 0, 67),
    (0x45, 4, 5, 4), (0x15, 0, 4, 58), (0x30, 0, 0, 54), (0x15, 1, 2, 1), (0x15, 0, 1, 0x806),
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


def watch(peer, link):
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
