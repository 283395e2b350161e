#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The cases of host.sh."""

import ctypes
import os
import pty
import select
import shutil
import subprocess
import sys
import tempfile
import time

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
CTCR = os.path.realpath(os.environ.get("CTCR", os.path.join(TOP, os.environ.get("O", "build"), "ctcr")))
LOOP = "sh -c 'echo $$ > pid; while read l; do echo got $l; done'"


def check(ok, what):
    if not ok:
        print("FAILED: %s" % what)
        sys.exit(1)


def read_until(fd, want, seconds=20):
    out, end = b"", time.monotonic() + seconds
    while want not in out and time.monotonic() < end:
        if select.select([fd], [], [], 0.1)[0]:
            try:
                data = os.read(fd, 4096)
            except OSError:
                break
            if not data:
                break
            out += data
    check(want in out, "no %r but %r" % (want, out))
    return out


def wait_file(path):
    end = time.monotonic() + 20
    while not (os.path.exists(path) and open(path).read().strip()):
        check(time.monotonic() < end, "%s does not appear" % path)
        time.sleep(0.02)
    return open(path).read().strip()


def reap():
    try:
        while True:
            os.waitpid(-1, 0)
    except ChildProcessError:
        pass


def ctcr(*argv, **more):
    return subprocess.run([CTCR] + list(argv), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, **more)


def in_terminal(flags, command):
    pid, fd = pty.fork()
    if pid == 0:
        os.closerange(3, 256)
        os.execvp("bash", ["bash", "--norc", flags, command])
    return pid, fd


def shell_job(flags):
    shell, tty = in_terminal(flags, LOOP + "; echo the end")
    job = wait_file("pid")
    os.write(tty, b"one\n")
    read_until(tty, b"got one")
    refused = ctcr("dump", "-t", job, "-D", "img")
    check(refused.returncode and "--shell-job" in refused.stdout, "dumped without --shell-job: %s" % refused.stdout)
    dumped = ctcr("dump", "-t", job, "-D", "img", "--shell-job")
    check(not dumped.returncode, "dump: %s" % dumped.stdout)
    read_until(tty, b"the end")
    os.close(tty)
    reap()
    shell, tty = in_terminal(flags, CTCR + " restore -D img --shell-job; echo the end")
    read_until(tty, b"restored")
    os.write(tty, b"two\n")
    read_until(tty, b"got two")
    os.write(tty, b"\x04")
    out = read_until(tty, b"the end")
    os.unlink("pid")  # it has ended: the number may be somebody else's
    check(b"Stopped" not in out, "ctcr was stopped at the end: %r" % out)
    os.close(tty)
    reap()


def inherit_fd():
    reader, writer = os.pipe()
    if os.fork() == 0:
        if os.fork():
            os._exit(0)
        os.setsid()
        null = os.open("/dev/null", os.O_RDWR)
        for fd, to in ((null, 0), (writer, 1), (null, 2)):
            os.dup2(fd, to)
        os.closerange(3, 256)
        os.execvp("sh", ["sh", "-c", "echo $$ > pid; while :; do echo alive; sleep 0.1; done"])
    os.close(writer)
    job = wait_file("pid")
    link = os.readlink("/proc/%s/fd/1" % job)
    read_until(reader, b"alive")
    refused = ctcr("dump", "-t", job, "-D", "img")
    check(refused.returncode and "other end is outside" in refused.stdout, "not refused: %s" % refused.stdout)
    dumped = ctcr("dump", "-t", job, "-D", "img", "--external", link.replace(":", ""))
    check(not dumped.returncode, "dump: %s" % dumped.stdout)
    reap()
    refused = ctcr("restore", "-D", "img", "-d")
    check(refused.returncode and "--inherit-fd" in refused.stdout, "restored without the pipe: %s" % refused.stdout)
    reader, writer = os.pipe()
    restored = ctcr("restore", "-D", "img", "-d", "--inherit-fd", "fd[%d]:%s" % (writer, link), pass_fds=[writer])
    check(not restored.returncode, "restore: %s" % restored.stdout)
    os.close(writer)
    read_until(reader, b"alive")
    os.kill(int(job), 9)
    os.unlink("pid")
    reap()


CASES = {"shell_job": lambda: shell_job("-c"), "shell_job_control": lambda: shell_job("-ic"), "inherit_fd": inherit_fd}


def main():
    if os.geteuid():
        print("needs root")
        sys.exit(77)
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
    place = tempfile.mkdtemp(prefix="ctcr-host.", dir="/var/tmp")
    os.chdir(place)
    try:
        CASES[sys.argv[1]]()
    finally:
        if os.path.exists("pid"):
            try:
                os.kill(int(open("pid").read()), 9)
            except (OSError, ValueError):
                pass
        shutil.rmtree(place, ignore_errors=True)


main()
