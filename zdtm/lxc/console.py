# SPDX-License-Identifier: GPL-2.0-or-later
"""console.py [--login] CONTAINER [COMMAND...]: get a shell on the container's console (by lxc-console
-t 0, or by COMMAND) and let it compute something; exit 0 if the answer comes. --login: it is enough
that somebody asks for a name."""
import os
import pty
import select
import signal
import sys
import time

login = sys.argv[1] == "--login"
args = sys.argv[1 + login:]
command = args[1:] or ["lxc-console", "-n", args[0], "-t", "0"]
text, wanted = (b"\r", b"login:") if login else (b"\recho answer=$((6 * 7))\r", b"answer=42")
pid, fd = pty.fork()
if pid == 0:
    os.execvp(command[0], command)
seen = b""
end = time.monotonic() + 10
next_try = 0
while wanted not in seen and time.monotonic() < end:
    if time.monotonic() > next_try:
        os.write(fd, text)
        next_try = time.monotonic() + 1
    if select.select([fd], [], [], 0.2)[0]:
        try:
            seen += os.read(fd, 4096)
        except OSError:
            break
os.kill(pid, signal.SIGKILL)
os.waitpid(pid, 0)
if wanted not in seen:
    sys.stdout.write("console: %r\n" % seen)
    sys.exit(1)
