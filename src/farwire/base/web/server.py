"""The HTTP server: granian with several worker processes, a stop that announces itself, and a check of the port."""

from __future__ import annotations

import errno
import multiprocessing
import os
import socket
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings, HTTP2Settings
from granian.log import LogLevels
from granian.server.mp import MPServer

from farwire.base.telemetry.metrics import MULTIPROCESS_DIR
from farwire.base.web.api import DRAIN_SIGNAL, METRICS_FOLDER
from farwire.kernel.errors import Conflict, Invalid

HEADER_LIMIT_OCTETS: Final = 65_536
"""Headers of one request over HTTP/2, at most; HTTP/1.1 has granian's own bound of about 400 KiB."""
HEADER_LIMIT_MS: Final = 30_000
"""How long a client may take to send its headers."""


@dataclass(frozen=True, slots=True)
class Serving:
    """Where and how to serve.

    On a stop, readiness says 503 for ``drain_s`` first; then running requests may take ``grace_s`` more.
    """

    target: str
    host: str
    port: int
    workers: int
    drain_s: float = 0.0
    grace_s: int = 30


class _Server(MPServer):
    """granian's parent process, which tells its workers of the stop before it stops them."""

    drain_s = 0.0

    def shutdown(self, exit_code: int = 0) -> None:
        """Turn readiness off, wait for balancers to notice, then stop: running requests end first."""
        for worker in self.wrks:
            _tell(worker.inner.pid)
        time.sleep(self.drain_s)
        super().shutdown(exit_code)  # type: ignore[no-untyped-call]


def _tell(pid: int | None) -> None:
    try:
        if pid is not None:
            os.kill(pid, DRAIN_SIGNAL)
    except ProcessLookupError:
        pass


def serve(serving: Serving) -> None:
    """Serve until SIGTERM or SIGINT. Call from the main thread of a process that does nothing else.

    A worker that dies is replaced. Workers are spawned, not forked: they load only what the API needs. Raises
    ``Conflict`` (``serve.port_in_use``), ``Invalid`` (``serve.address``).
    """
    check_address(serving.host, serving.port)
    multiprocessing.set_start_method("spawn", force=True)
    with ExitStack() as stack:
        if serving.workers > 1:
            folder = tempfile.TemporaryDirectory(prefix=METRICS_FOLDER)
            os.environ[MULTIPROCESS_DIR] = stack.enter_context(folder)
        server = _Server(
            target=serving.target,
            factory=True,
            address=serving.host,
            port=serving.port,
            interface=Interfaces.ASGI,
            workers=serving.workers,
            loop=Loops.uvloop,
            http=HTTPModes.auto,
            http1_settings=HTTP1Settings(header_read_timeout=HEADER_LIMIT_MS),
            http2_settings=HTTP2Settings(max_headers_size=HEADER_LIMIT_OCTETS),
            websockets=False,
            log_level=LogLevels.warning,
            respawn_failed_workers=True,
            respawn_interval=0.1,
            workers_kill_timeout=serving.grace_s,
        )
        server.drain_s = serving.drain_s
        server.serve()


def check_address(host: str, port: int) -> None:
    """Raise if nobody can listen there. granian itself would share a port with another server without a word."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise Conflict(
                f"port {port} of {host} is in use",
                code="serve.port_in_use",
                field="port",
                value=port,
                fix="stop the other program, or choose another port: farwire serve --port 8081",
            ) from error
        raise Invalid(
            f"cannot listen on {host} port {port}: {error.strerror}",
            code="serve.address",
            field="host",
            value=host,
            fix="use 127.0.0.1 for this machine only, 0.0.0.0 for all of its addresses; ports below 1024 need root",
        ) from error
