#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""kills.py CASE CT IP PORT DIR [HOSTNS]: ctcr is killed at every point of its way, see kills.sh.

After each kill: no process of ctcr is left, the container's only process is as it was (not stopped, not
traced, the same descriptors and mappings), it answers on connections that were open before and on a new
one, there is no table in nftables, and the freezer is thawed. KILLS_FROM and KILLS_STEP choose among the
points (default: all).
"""
import ctypes
import glob
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
OUT = os.path.join(TOP, os.environ.get("O", "build"))
CTCR = os.path.join(OUT, "ctcr")
KILLAT = os.path.join(OUT, "zdtm/tools/killat")
PATIENCE = int(os.environ.get("PATIENCE", 60))
PR_SET_CHILD_SUBREAPER = 36
TCP_LISTEN = "0A"


# What may be left of an executor: its memory, its descriptor, and both ends of a socket.
LEFT = re.compile("/memfd:ctcr")
LEFT_SOCKETS = 2


class Wrong(Exception):
    pass


def until(what, condition):
    """Wait until condition() returns None; it says what is wrong."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            wrong = condition()
        except (OSError, IndexError) as err: # what is being looked at is going just now
            wrong = err
        if wrong is None:
            return
        if time.monotonic() > end:
            raise Wrong("%s: %s" % (what, wrong))
        time.sleep(0.005)


def read(path):
    with open(path, errors="replace") as f:
        return f.read()


def cmdline(pid):
    try:
        return read("/proc/%s/cmdline" % pid).split("\0")
    except OSError:
        return [""]


class World:
    def __init__(self, ct, ip, port, dir_, hostns=None):
        self.ct, self.ip, self.port, self.dir = ct, ip, int(port), dir_
        self.inside = ["nsenter", "--net=/run/netns/" + hostns] if hostns else []
        self.bridge = "ctcr" + ct[len("ctcr-"):]
        self.veth = [] if hostns else ["--veth-pair"]
        self.conns = []
        self.wait = 0 # how many connections nobody accepts
        self.said = ""

    def run(self, *argv):
        p = subprocess.run(self.inside + list(argv), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True, errors="replace")
        self.said = p.stdout
        return p.returncode

    def pids(self):
        try:
            return [int(p) for p in read("/sys/fs/cgroup/pids/lxc.payload.%s/cgroup.procs" % self.ct).split()]
        except OSError:
            return []

    def nobody_watches(self):
        """Guards of a killed coordinator are our children now; they leave when they have done their work."""
        def guards():
            try:
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            except ChildProcessError:
                return None
            words = {p: cmdline(p) for p in read("/proc/self/task/%d/children" % os.getpid()).split()}
            return [w for w in words.items() if w[1][0] == CTCR] or None
        until("guards", guards)

    def echo(self, sock):
        text = b"%d;" % time.monotonic_ns()
        sock.sendall(text)
        got = b""
        while len(got) < len(text):
            more = sock.recv(len(text) - len(got))
            if not more:
                raise Wrong("a connection was closed")
            got += more
        if got != text:
            raise Wrong("a connection says %r, not %r" % (got, text))

    def connect(self):
        s = socket.create_connection((self.ip, self.port), PATIENCE)
        s.settimeout(PATIENCE)
        s.sendall(b"e")
        return s

    def talks(self):
        for s in self.conns:
            self.echo(s)
        with self.connect() as s:
            self.echo(s)

    def snapshot(self):
        pid = self.pids()[0]
        with open("/proc/%d/status" % pid) as f:
            status = [l.split()[:2] for l in f if re.match("State|TracerPid|Sig[PBIC]|Shd", l)]
        fds = sorted([n, os.readlink("/proc/%d/fd/%s" % (pid, n))] for n in os.listdir("/proc/%d/fd" % pid))
        maps = [l.split()[:2] + l.split()[5:] for l in read("/proc/%d/maps" % pid).splitlines()]
        return [what for what in status + fds + maps if not LEFT.search(" ".join(what))]

    def queued(self):
        """How many wait to be accepted."""
        n = 0
        for name in ("tcp", "tcp6"):
            for line in read("/proc/%d/net/%s" % (self.pids()[0], name)).splitlines()[1:]:
                word = line.split()
                if word[3] == TCP_LISTEN and int(word[1].split(":")[1], 16) == self.port:
                    n += int(word[4].split(":")[1], 16)
        return n

    def changed(self):
        now = self.snapshot()
        if now == self.before:
            return None
        more, less = [x for x in now if x not in self.before], [x for x in self.before if x not in now]
        if not less and len(more) <= LEFT_SOCKETS and all(x[1].startswith("socket:") for x in more):
            self.before = now
            return None
        return "%s instead of %s" % (more, less)

    def tables(self):
        found = ""
        for enter in ([], ["nsenter", "-n", "-t", str(self.pids()[0])]):
            p = subprocess.run(enter + ["nft", "list", "tables"], stdout=subprocess.PIPE, text=True)
            found += "".join(l for l in p.stdout.splitlines(True) if re.search("ctcr-(%s)" % self.ours, l))
        return found.strip() or None

    def frozen(self):
        state = read("/sys/fs/cgroup/freezer/lxc.payload.%s/freezer.state" % self.ct).strip()
        return None if state == "THAWED" else state

    def unharmed(self):
        self.nobody_watches()
        until("freezer", self.frozen)
        if len(self.pids()) != 1:
            raise Wrong("processes: %s" % self.pids())
        until("nftables", self.tables)
        if self.wait:
            until("waiting connections", lambda: None if self.queued() == self.wait else self.queued())
        else:
            self.talks()
        until("the process has changed", self.changed)

    def runs_on(self, arena=False):
        """The program itself, free of us (but for the arena of a dump), and not about to die."""
        try:
            pid = self.pids()[0]
            maps, status = read("/proc/%d/maps" % pid), dict(l.split(":\t", 1) for l in open("/proc/%d/status" % pid))
        except (OSError, IndexError):
            return False
        kill = int(status["SigPnd"], 16) | int(status["ShdPnd"], 16)
        return "netpeer" in maps and (arena or not LEFT.search(maps)) and status["TracerPid"] == "0\n" and \
            status["State"][0] == "S" and not kill & 1 << signal.SIGKILL - 1

    def left(self):
        """What a restore that was killed leaves outside of its namespaces; nothing if it was over."""
        if self.runs_on():
            return None
        if self.pids():
            return "processes %s" % self.pids()
        links = [name for name in os.listdir("/sys/class/net/%s/brif" % self.bridge)]
        return "links %s" % links if links else None

    def nobody(self):
        """True: it was restored, all of it; its keeper is there then."""
        until("left behind", self.left)
        if self.runs_on():
            return True
        self.nobody_watches()
        if self.run("nft", "list", "tables") == 0 and re.search("ctcr-[0-9]", self.said):
            raise Wrong("nftables: %s" % self.said)
        for s in self.conns: # nobody there has heard of it
            if select.select([s], [], [], 0)[0]:
                raise Wrong("a connection says %r" % s.recv(1))
        return False

    def gone(self):
        """It is gone, its image is there: then it comes back, and its connections go on."""
        self.nobody_watches()
        until("neither gone nor there", lambda: self.pids() or None if not self.runs_on(True) else None)
        if self.pids():
            return self.unharmed()
        if not os.path.exists(self.dir + "/img/inventory.img"):
            raise Wrong("it is gone, without an image")
        while self.run("lxc-info", "-s", "-H", "-n", self.ct) or "STOPPED" not in self.said:
            time.sleep(0.01)
        if self.run(CTCR, "restore", "--ct", self.ct, *self.veth, "-D", self.dir + "/img"):
            raise Wrong("restore: %s" % self.said)
        self.ours = "[0-9]+|hold"
        until("the restored process", lambda: asleep(self))
        self.before = self.snapshot()
        self.unharmed()


def points(world, argv, good, *more):
    """Kill argv() at each point, and look with good() what became of it."""
    n, last = int(os.environ.get("KILLS_FROM", 1)), 0
    failed, begin = [], time.monotonic()
    while True:
        shutil.rmtree(world.dir + "/img", ignore_errors=True)
        world.ours = "[0-9]+|hold"
        ret = world.run(KILLAT, *more, str(n), CTCR, *argv)
        if ret not in (0, 3):
            raise Wrong("point %d: ctcr failed: %s" % (n, world.said))
        if ret == 3:
            break
        where, last = re.findall("killed at .*", world.said)[-1], n
        try:
            if good():
                print("%s: it was over" % where)
                break
        except (Wrong, OSError) as err:
            print("%s: %s" % (where, err), flush=True)
            failed.append(where)
            if "KILLS_GO_ON" not in os.environ or not world.pids():
                break
            world.before = world.snapshot()
        n += int(os.environ.get("KILLS_STEP", 1))
    print("%d points, %.0f s" % (last, time.monotonic() - begin))
    if failed or not last:
        raise Wrong("wrong at %d points" % len(failed))


def asleep(world):
    return None if ["State:", "S"] in world.snapshot() else "awake"


def begin(world):
    world.conns = [world.connect() for _ in range(2)]
    if os.environ.get("HELD"):
        until("the queue", lambda: None if world.queued() >= 2 else "empty")
        world.wait = world.queued()
    else:
        world.talks()
    until("the process", lambda: asleep(world))
    world.before = world.snapshot()
    return ["dump", "--ct", world.ct, "-D", world.dir + "/img"]


def dump(world):
    """All of a dump after which the container goes on."""
    points(world, begin(world) + ["--leave-running"], world.unharmed)


def end(world):
    """The end of a dump that stops it: from the moment on when the image is committed."""
    points(world, begin(world), world.gone, "-c")


def restore(world):
    """Killed restores leave nothing, and the one that is not killed finds all in place."""
    argv = begin(world)
    if world.run(CTCR, *argv):
        raise Wrong("dump: %s" % world.said)
    os.rename(world.dir + "/img", world.dir + "/keep")
    argv = ["restore", "--ct", world.ct, *world.veth, "-D", world.dir + "/keep", "--no-lxc-monitor", "-d"]
    points(world, argv, world.nobody)
    until("it is not restored", lambda: None if world.runs_on() else "not there")
    world.talks()


def main():
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        {"dump": dump, "end": end, "restore": restore}[sys.argv[1]](World(*sys.argv[2:]))
    except Wrong as err:
        print("FAILED: %s" % err)
        sys.exit(1)


main()
