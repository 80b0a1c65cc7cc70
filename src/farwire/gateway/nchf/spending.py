"""Nchf_SpendingLimitControl: a policy control asks for the status of counters, and hears of it when one changes.

A subscription is kept with what its policy control was told last, so that it hears of changes only; every process finds
it. It ends unless it is renewed (PUT): the answer says when. Source: TS 29.594 §4.2, §5.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import uuid4

import msgspec

from farwire.base.clock import Clock
from farwire.base.storage import Database
from farwire.charging.model.policy import CounterStatus, PolicyCounter
from farwire.charging.model.pricing import moment
from farwire.charging.model.state import NEVER
from farwire.charging.service import Client, policy_counters
from farwire.gateway.asking import NOBODY, Asking
from farwire.gateway.nchf.callbacks import check_callback
from farwire.gateway.nchf.charging_data.documents import read_document
from farwire.gateway.nchf.charging_data.service import named
from farwire.gateway.nchf.http2.messages import Response
from farwire.gateway.nchf.problems import (
    MANDATORY_MISSING,
    NO_COUNTERS,
    NO_SUCH_SUBSCRIPTION,
    OPTIONAL_INCORRECT,
    UNKNOWN_COUNTERS,
    UNKNOWN_SUBSCRIBER,
    Problem,
)
from farwire.gateway.nchf.profiles import Consumer, Node
from farwire.gateway.nchf.routing import Call, Service
from farwire.gateway.nchf.telling import Notification
from farwire.gateway.operators import Operator
from farwire.gateway.sessions import LiveSession, Protocol, Wish, end_session, find_session, keep_session

NAME: Final = "nchf-spendinglimitcontrol"
KEPT_FOR: Final = timedelta(days=2)
"""A subscription ends after it: less than live sessions are kept that nobody has heard of."""
_NAMES_MOST: Final = 64
_NAME_MOST: Final = 64
_JSON: Final = ("content-type", "application/json")
_USED: Final = frozenset({CounterStatus.NEAR, CounterStatus.REACHED})


class _Context(msgspec.Struct, frozen=True, rename="camel"):
    """SpendingLimitContext."""

    supi: str = ""
    gpsi: str = ""
    policy_counter_ids: tuple[str, ...] = ()
    notif_uri: str = ""
    expiry: datetime | None = None
    notif_id: str = ""


class _Pending(msgspec.Struct, frozen=True, rename="camel"):
    policy_counter_status: str
    activation_time: datetime


class _Info(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """PolicyCounterInfo."""

    policy_counter_id: str
    current_status: str
    pen_pol_counter_statuses: tuple[_Pending, ...] = ()


class _Status(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """SpendingLimitStatus."""

    status_infos: dict[str, _Info]
    supi: str = ""
    notif_id: str = ""
    expiry: datetime | None = None


class Counters:
    """The status of an account's policy counters, as a consumer calls them."""

    def __init__(self, *, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    async def status(
        self, *, tenant_number: int, account: int, names: Sequence[str], consumer: Consumer
    ) -> dict[str, _Info]:
        """Return counters by name. Raises ``Problem`` (400), ``NotFound``, ``Unavailable``."""
        found = await policy_counters(
            self._client, tenant_number=tenant_number, account=account, now=self._clock.now()
        )
        return status_of(found, names, consumer)


def status_of(
    counters: Sequence[PolicyCounter], names: Sequence[str], consumer: Consumer
) -> dict[str, _Info]:
    """Return the status of each counter that is wanted; no names: of all.

    A counter of the consumer's profile that an account does not have is as if nothing of it were used. Raises
    ``Problem``: a name that nobody has, or no counter at all.
    """
    words = consumer.counter_words
    found = {name: _Info(name, _worded(CounterStatus.BELOW, words)) for name in consumer.counters}
    found |= {one.name: _info(one, words) for one in counters}
    unknown = [name for name in names if name not in found]
    if unknown:
        raise Problem(UNKNOWN_COUNTERS, f"unknown here: {', '.join(unknown)}", parameter="/policyCounterIds")
    if not found:
        raise Problem(NO_COUNTERS, "the subscriber has no policy counter")
    return {name: found[name] for name in (names or sorted(found))}


def _info(counter: PolicyCounter, words: Mapping[str, str]) -> _Info:
    status = _worded(counter.status, words)
    if counter.status not in _USED or counter.ends_at >= NEVER:
        return _Info(counter.name, status)
    later = _Pending(_worded(CounterStatus.BELOW, words), moment(counter.ends_at))
    return _Info(counter.name, status, (later,))


def _worded(status: str, words: Mapping[str, str]) -> str:
    return words.get(str(status), str(status))


class SpendingLimits:
    """The service."""

    def __init__(self, *, db: Database, asking: Asking, counters: Counters, clock: Clock) -> None:
        self._db = db
        self._asking = asking
        self._counters = counters
        self._clock = clock

    def service(self) -> Service:
        """Return its operations."""
        return Service(
            NAME,
            "v1",
            {
                ("POST", "subscriptions"): ("subscribe", self.subscribe),
                ("PUT", "subscriptions/*"): ("modify", self.modify),
                ("DELETE", "subscriptions/*"): ("unsubscribe", self.unsubscribe),
            },
        )

    async def subscribe(self, call: Call) -> Response:
        """Answer with the status of counters, and tell of changes from now on. Raises ``Problem``, ``Unavailable``."""
        context = _read(call)
        if not context.notif_uri:
            raise Problem(MANDATORY_MISSING, "is missing", parameter="/notifUri")
        subscriber = await self._asking.subscriber(call.operator, named((context.supi, context.gpsi)))
        if subscriber.number == NOBODY:
            raise Problem(UNKNOWN_SUBSCRIBER, "nobody has this identity")
        reference = uuid4().hex
        status = await self._keep(call, context, reference, subscriber.number)
        headers = (_JSON, ("location", f"{call.root}/{reference}"))
        return Response(201, headers, msgspec.json.encode(status))

    async def modify(self, call: Call) -> Response:
        """Ask for other counters, or go on. Raises ``Problem`` (404 too), ``Unavailable``."""
        context = _read(call)
        found = await self._found(call)
        before = found.address
        context = msgspec.structs.replace(
            context,
            supi=context.supi or before["supi"],
            notif_uri=context.notif_uri or before["notify"],
            notif_id=context.notif_id or before["id"],
        )
        status = await self._keep(call, context, call.reference, found.account)
        return Response(200, (_JSON,), msgspec.json.encode(status))

    async def unsubscribe(self, call: Call) -> Response:
        """Tell nothing more. Raises ``Problem`` (404)."""
        found = await self._found(call)
        await end_session(
            db=self._db, tenant_id=found.tenant_id, protocol=Protocol.NCHF, session=found.session
        )
        return Response(204)

    async def _found(self, call: Call) -> LiveSession:
        found = await find_session(
            db=self._db,
            tenant_id=call.operator.tenant_id,
            protocol=Protocol.NCHF,
            session=call.reference[:200].replace("\0", ""),
        )
        if found is None or found.address.get("service") != NAME or found.peer != call.consumer.name:
            raise Problem(NO_SUCH_SUBSCRIPTION, "there is no such subscription")
        return found

    async def _keep(self, call: Call, context: _Context, reference: str, account: int) -> _Status:
        infos = await self._counters.status(
            tenant_number=call.operator.number,
            account=account,
            names=context.policy_counter_ids,
            consumer=call.consumer,
        )
        expiry = self._clock.now() + KEPT_FOR
        if context.expiry is not None:
            asked = context.expiry if context.expiry.tzinfo else context.expiry.replace(tzinfo=UTC)
            expiry = min(expiry, asked)
        address = {
            "service": NAME,
            "notify": context.notif_uri,
            "supi": context.supi,
            "id": context.notif_id,
            "names": msgspec.json.encode(context.policy_counter_ids).decode(),
            "told": msgspec.json.encode(infos).decode(),
            "expiry": expiry.isoformat(),
        }
        one = LiveSession(
            call.operator.tenant_id, Protocol.NCHF, reference, account, call.consumer.name, address
        )
        await keep_session(db=self._db, one=one)
        return _Status(infos, context.supi, context.notif_id, expiry)


def _read(call: Call) -> _Context:
    context = read_document(call.request.body, _Context)
    names = context.policy_counter_ids
    if len(names) > _NAMES_MOST or any(not 0 < len(name) <= _NAME_MOST for name in names):
        raise Problem(OPTIONAL_INCORRECT, "are too many, or too long", parameter="/policyCounterIds")
    if context.notif_uri:
        check_callback(context.notif_uri, call.consumer, "/notifUri")
    for name, value in (("supi", context.supi), ("notifId", context.notif_id)):
        if len(value) > 255 or "\0" in value:
            raise Problem(OPTIONAL_INCORRECT, "is too long", parameter=f"/{name}")
    return context


class SpendingAsks:
    """Policy controls: told of counters whose status is another one than they were told last."""

    def __init__(
        self, node: Node, *, db: Database, operators: Mapping[str, Operator], counters: Counters, clock: Clock
    ) -> None:
        self._db = db
        self._numbers = {one.tenant_id: one.number for one in operators.values()}
        names = {one.tenant_id: name for name, one in operators.items()}
        self._consumers = {
            (tenant_id, one.name): one
            for tenant_id, name in names.items()
            for one in node.consumers
            if one.tenant == name
        }
        self._counters = counters
        self._clock = clock

    async def notification(self, wish: Wish) -> Notification | None:
        """Return a SpendingLimitStatus of what has changed, or None where nothing has."""
        one = wish.session
        if self._clock.now() >= datetime.fromisoformat(one.address["expiry"]):
            return None
        infos = await self._counters.status(
            tenant_number=self._numbers[one.tenant_id],
            account=one.account,
            names=msgspec.json.decode(one.address["names"], type=tuple[str, ...]),
            consumer=self._consumers[one.tenant_id, one.peer],
        )
        before = msgspec.json.decode(one.address["told"], type=dict[str, _Info])
        changed = {name: info for name, info in infos.items() if before.get(name) != info}
        if not changed:
            return None
        body = msgspec.json.encode(_Status(changed, one.address["supi"], one.address["id"]))
        note = msgspec.json.encode({**before, **changed}).decode()
        return Notification(f"{one.address['notify']}/notify", "STATUS", body, note)

    async def told(self, wish: Wish, notification: Notification) -> None:
        """Keep what the policy control knows now."""
        one = wish.session
        address = {**one.address, "told": notification.note}
        session = LiveSession(one.tenant_id, one.protocol, one.session, one.account, one.peer, address)
        await keep_session(db=self._db, one=session)
