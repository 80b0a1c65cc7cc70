"""From a path to who serves it: what every service of this function checks alike before it reads a body."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias

import msgspec
import structlog

from farwire.base.telemetry.metrics import counter
from farwire.gateway.nchf.http2.messages import Request, Response
from farwire.gateway.nchf.problems import (
    NO_SUCH_METHOD,
    NO_SUCH_PATH,
    NO_SUCH_TYPE,
    NOT_ALLOWED,
    SYSTEM_FAILURE,
    Problem,
    refusal,
)
from farwire.gateway.nchf.profiles import Consumer, Node, consumer_of
from farwire.gateway.nchf.tokens import Checker
from farwire.gateway.operators import Operator
from farwire.kernel.errors import Defect, FarwireError

_KEPT_MOST: Final = 1_000
"""Addresses whose profile is remembered."""
_log = structlog.get_logger(__name__)
_REQUESTS: Final = counter(
    "farwire_nchf_requests_total",
    "Nchf requests by service, operation and status.",
    ("service", "operation", "status"),
)


class Call(msgspec.Struct, frozen=True):
    """A request whose consumer is known."""

    request: Request
    consumer: Consumer
    operator: Operator
    reference: str
    """The resource that the path names."""
    root: str
    """The resource's collection as the consumer names it: Location is below it."""


Operation: TypeAlias = Callable[[Call], Awaitable[Response]]


class Service(msgspec.Struct, frozen=True):
    """A service: its operations by method and path; ``*`` stands for the reference."""

    name: str
    version: str
    operations: Mapping[tuple[str, str], tuple[str, Operation]]


class Router:
    """The handler of the server. Always an answer, whatever is wrong with a request."""

    def __init__(
        self,
        node: Node,
        services: tuple[Service, ...],
        *,
        operators: Mapping[str, Operator],
        checker: Checker,
    ) -> None:
        """``operators`` by the short names that profiles have."""
        self._node = node
        self._services = {one.name: one for one in services}
        self._operators = operators
        self._checker = checker
        self._consumers: dict[tuple[str, bool], Consumer | None] = {}

    async def __call__(self, request: Request) -> Response:
        """Return the answer to a request."""
        service, operation = "", ""
        try:
            found, name, work, reference = self._route(request)
            service, operation = found.name, name
            call = self._call(request, found, reference)
            answer = await work(call)
        except FarwireError as error:
            answer = self._refused(request, service, error)
        except Exception:  # noqa: BLE001
            # The edge of the process: the client gets a document, whatever went wrong here.
            _log.exception("nchf request failed", service=service)
            answer = refusal(Defect("the request failed", code="nchf.failed"))
        _REQUESTS.inc(service=service or "none", operation=operation or "none", status=str(answer.status))
        return answer

    def _refused(self, request: Request, service: str, error: FarwireError) -> Response:
        """Return the refusal of a request; who looks for the reason finds it in the log, without personal data."""
        answer = refusal(error)
        level = _log.warning if answer.status == SYSTEM_FAILURE.status else _log.info
        level(
            "nchf request refused",
            address=request.address,
            service=service,
            status=answer.status,
            reason=error.code,
        )
        return answer

    def _route(self, request: Request) -> tuple[Service, str, Operation, str]:
        parts = request.path.strip("/").split("/")
        service = self._services.get(parts[0])
        if service is None or len(parts) < 3 or parts[1] != service.version:
            raise Problem(NO_SUCH_PATH, "there is no such service here")
        reference = parts[3] if len(parts) > 3 else ""
        path = "/".join((parts[2], *("*" if reference else "" for _ in parts[3:4]), *parts[4:]))
        found = service.operations.get((request.method, path))
        if found is not None:
            return service, *found, reference
        allowed = sorted(method for method, other in service.operations if other == path)
        if allowed:
            raise Problem(
                NO_SUCH_METHOD,
                "the resource does not know this method",
                headers=(("allow", ", ".join(allowed)),),
            )
        raise Problem(NO_SUCH_PATH, "there is no such resource here")

    def _consumer(self, address: str, tls: bool) -> Consumer | None:
        """Return whose profile fits, which is looked for once."""
        key = (address, tls)
        if key not in self._consumers:
            if len(self._consumers) >= _KEPT_MOST:
                self._consumers.clear()
            self._consumers[key] = consumer_of(self._node, address=address, tls=tls)
        return self._consumers[key]

    def _call(self, request: Request, service: Service, reference: str) -> Call:
        consumer = self._consumer(request.address, request.tls)
        if consumer is None:
            raise Problem(NOT_ALLOWED, "no profile fits who asks")
        self._checker.check(request, scope=service.name)
        if request.method in ("POST", "PUT"):
            kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
            if (
                kind != "application/json"
                or request.headers.get("content-encoding", "identity") != "identity"
            ):
                raise Problem(NO_SUCH_TYPE, "the body is no application/json")
        root = self._node.api_root or f"{request.scheme}://{request.authority}"
        collection = request.path.strip("/").split("/")[2]
        return Call(
            request,
            consumer,
            self._operators[consumer.tenant],
            reference,
            f"{root}/{service.name}/{service.version}/{collection}",
        )
