"""``python loaded.py SOCKET``: load the application, say so, and run a command for each caller until stdin ends."""

from __future__ import annotations

import atexit
import gc
import json
import os
import select
import socket
import sys
import traceback
from importlib import import_module

from farwire import app

LATE = (
    "asyncpg",
    "farwire.base.storage.embedded",
    "farwire.base.storage.migrate",
    "farwire.base.telemetry.logs",
    "pydantic.type_adapter",
)
"""What commands load when they need it."""


def load() -> None:
    for topic in app._TOPICS:
        import_module(f"farwire.cli.{topic}")
    for module in LATE:
        import_module(module)
    app.build_cli("")
    gc.collect()
    gc.freeze()


def serve(listener: socket.socket) -> None:
    """Answer callers until stdin ends; return in a process that is to run a command."""
    keepers = 0
    while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
        caller, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            keep(caller)
            return
        caller.close()
        keepers += 1
        while keepers and os.waitpid(-1, os.WNOHANG)[0]:
            keepers -= 1
    os._exit(0)


def keep(caller: socket.socket) -> None:
    """Fork once more: one process returns to run the command, the other tells the caller how it ended."""
    _, streams, _, _ = socket.recv_fds(caller, 1, 3)
    with caller.makefile("rb") as sent:
        asked = json.load(sent)
    if child := os.fork():
        _, status = os.waitpid(child, 0)
        caller.sendall(str(os.waitstatus_to_exitcode(status)).encode())
        os._exit(0)
    caller.close()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.argv = ["farwire", *asked["words"]]
    sys.stdin, sys.stdout = open(0), open(1, "w")  # noqa: SIM115 - as the interpreter opens them
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace")  # noqa: SIM115


def run() -> None:
    """Run the command and end without taking all that is loaded apart again."""
    code: object = 1
    try:
        code = app.main()
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else code is not None)


if __name__ == "__main__":
    load()
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(sys.argv[1])
        door.listen()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        serve(door)
    run()
