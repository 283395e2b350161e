# SPDX-License-Identifier: GPL-2.0-or-later
"""console.py CONTAINER [COMMAND...]: get a shell on the container's console (by lxc-console -t 0, or
by COMMAND) and let it compute something; exit 0 if the answer comes."""
import os
import pty
import select
import signal
import sys
import time

command = sys.argv[2:] or ["lxc-console", "-n", sys.argv[1], "-t", "0"]
pid, fd = pty.fork()
if pid == 0:
    os.execvp(command[0], command)
seen = b""
end = time.monotonic() + 10
next_try = 0
while b"answer=42" not in seen and time.monotonic() < end:
    if time.monotonic() > next_try:
        os.write(fd, b"\recho answer=$((6 * 7))\r")
        next_try = time.monotonic() + 1
    if select.select([fd], [], [], 0.2)[0]:
        try:
            seen += os.read(fd, 4096)
        except OSError:
            break
os.kill(pid, signal.SIGKILL)
os.waitpid(pid, 0)
if b"answer=42" not in seen:
    sys.stdout.write("console: %r\n" % seen)
    sys.exit(1)
