# SPDX-License-Identifier: GPL-2.0-or-later
"""echo-client.py HOST PORT GO DONE: hold a connection to an echo server open until the file GO
appears (GO.ready says it stands), use it again, write "ok" or what went wrong to DONE."""
import os
import socket
import sys
import time

host, port, go, done = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]


def echo(sock, text):
    sock.sendall(text)
    got = b""
    while len(got) < len(text):
        part = sock.recv(4096)
        if not part:
            raise OSError("closed after %r" % got)
        got += part
    if got != text:
        raise OSError("sent %r, got %r" % (text, got))


def main():
    with socket.create_connection((host, port), 10) as sock:
        sock.settimeout(12)
        echo(sock, b"before\n")
        with open(go + ".ready", "w"):
            pass
        while not os.path.exists(go):
            time.sleep(0.05)
        echo(sock, b"after\n")
        echo(sock, b"x" * 100000)


try:
    main()
    result = "ok"
except OSError as err:
    result = str(err)
with open(done + ".new", "w") as f:
    f.write(result)
os.rename(done + ".new", done)
