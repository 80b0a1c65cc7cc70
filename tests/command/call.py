"""``python -IS call.py SOCKET WORDS…``: run a command in a process forked from the one that waits at SOCKET."""

import json
import os
import socket
import sys

with socket.socket(socket.AF_UNIX) as door:
    door.connect(sys.argv[1])
    socket.send_fds(door, [b"."], [0, 1, 2])
    asked = {"words": sys.argv[2:], "folder": os.getcwd(), "environment": dict(os.environ)}  # noqa: PTH109 - pathlib takes long to load
    door.sendall(json.dumps(asked).encode())
    door.shutdown(socket.SHUT_WR)
    sys.exit(int(door.recv(16)))
