#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""cgmodes.py CTCR DIR: a process in cgroups of its own, restored under another root and in every mode."""
import ctypes
import os
import signal
import subprocess
import sys
import time

CTCR, DIR = sys.argv[1:3]
TOP = {"pids": "/sys/fs/cgroup/pids", "": "/sys/fs/cgroup/unified"}
NAME = "ctcr-modes-%d" % os.getpid()
bad = []


def reap():
    """Until no child is left, or for a while."""
    for _ in range(100):
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.01)


def remove(*names):
    for name in names:
        for top in TOP.values():
            if os.path.isdir(os.path.join(top, name)):
                os.rmdir(os.path.join(top, name))


def limit(name, value=None):
    path = os.path.join(TOP["pids"], name, "pids.max")
    if value is None:
        with open(path) as f:
            return f.read().strip()
    with open(path, "w") as f:
        return f.write(value)


def enter():
    for top in TOP.values():
        with open(os.path.join(top, NAME, "cgroup.procs"), "w") as f:
            f.write("0")


def placed(pid):
    with open("/proc/%d/cgroup" % pid) as f:
        rows = [line.rstrip("\n").split(":", 2) for line in f]
    return {c: path for _, c, path in rows if c in TOP}


def restore(pid, options, want, name=None, value=None):
    """want: where it must be then; None: the restore must fail."""
    done = subprocess.run([CTCR, "restore", "-D", "img", "-d"] + options, capture_output=True, text=True)
    ok = done.returncode == 0
    if ok != (want is not None):
        bad.append("%s: exit %d: %s" % (options, done.returncode, done.stderr))
    if ok:
        if want is not None and placed(pid) != want:
            bad.append("%s: it is in %s, not %s" % (options, placed(pid), want))
        if name and limit(name) != value:
            bad.append("%s: pids.max is %s, not %s" % (options, limit(name), value))
        os.kill(pid, signal.SIGKILL)
    reap()


def main():
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
    os.chdir(DIR)
    for top in TOP.values():
        os.mkdir(os.path.join(top, NAME))
    limit(NAME, "55")
    null = subprocess.DEVNULL
    pid = subprocess.Popen(["/bin/sleep", "1000"], stdin=null, stdout=null, stderr=null, start_new_session=True,
                           preexec_fn=enter).pid
    subprocess.run([CTCR, "dump", "-t", str(pid), "-D", "img"], check=True, stdout=null)
    reap()
    remove(NAME)
    here = {"pids": "/" + NAME, "": "/" + NAME}
    own = placed(os.getpid())
    other = {"pids": "/%s-b/x" % NAME, "": "/%s-c" % NAME}
    restore(pid, ["--cgroup-root", "pids:" + other["pids"], "--cgroup-root", other[""][1:]], other,
            other["pids"][1:], "55")
    remove(NAME + "-b/x", NAME + "-b", NAME + "-c")
    restore(pid, ["--manage-cgroups=none"], own)
    restore(pid, ["--manage-cgroups=ignore"], own)
    restore(pid, ["--manage-cgroups=props"], None)
    restore(pid, ["--manage-cgroups=strict"], here, NAME, "55")
    restore(pid, ["--manage-cgroups=strict"], None)
    limit(NAME, "77")
    restore(pid, ["--manage-cgroups=soft"], here, NAME, "77")
    restore(pid, ["--manage-cgroups=props"], here, NAME, "55")
    limit(NAME, "77")
    restore(pid, ["--manage-cgroups=full"], here, NAME, "55")


try:
    main()
finally:
    reap()
    remove(NAME, NAME + "-b/x", NAME + "-b", NAME + "-c")
print("\n".join(bad))
sys.exit(1 if bad else 0)
