"""PyPI `tmf-lint`, a third-party checker, against a real `farwire serve`: every rule of an API that is served.

It sends no key, so a proxy of this test adds one, and changes nothing else.
"""

from __future__ import annotations

import http.client
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar
from urllib.parse import urlsplit

import pytest
from tmf_lint.result import RuleResult
from tmf_lint.runner import run

from .conftest import Operator

pytestmark = pytest.mark.xdist_group("tmf-lint")
APIS = (638, 639, 641)


class Proxy(http.server.BaseHTTPRequestHandler):
    """Passes a request on with the operator's key."""

    operator: ClassVar[Operator]
    protocol_version = "HTTP/1.1"

    def forward(self) -> None:
        """Ask, and answer what is answered."""
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        kept = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        target = http.client.HTTPConnection(urlsplit(self.operator.base).netloc, timeout=30)
        target.request(
            self.command, self.path, body, {**kept, "authorization": f"Bearer {self.operator.key}"}
        )
        answer = target.getresponse()
        data = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        target.close()

    do_GET = do_POST = do_PATCH = do_DELETE = forward  # noqa: N815 - the names that the server looks for

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Print nothing."""


@contextmanager
def proxy(operator: Operator) -> Iterator[str]:
    handler = type("OwnProxy", (Proxy,), {"operator": operator})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def results(operator: Operator) -> list[RuleResult]:
    """What each rule said."""
    with proxy(operator) as base:
        return list(run(base, list(APIS)).results)


@pytest.mark.parametrize("api", APIS)
def test_every_rule_of_the_checker_holds(api: int, results: list[RuleResult]) -> None:
    own = {one.rule_id.removeprefix(f"TMF{api}-"): one for one in results if one.api == api}
    assert len(own) == 13
    failing = {rule: one.message for rule, one in own.items() if one.skipped or not one.passed}
    assert failing == {}
