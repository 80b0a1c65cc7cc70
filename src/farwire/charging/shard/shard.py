"""The loop of a shard: requests in, decided in batches; an answer leaves when what it says is durable.

It is a machine without a thread or a timer of its own: ``submit`` takes requests, ``step`` decides a batch and hands it
to the log, ``settle`` lets out the answers of batches that have become durable. ``runner.py`` drives it in a process,
a simulator drives it step by step.

While a batch is being synced the next one is decided on the state that the first has left. Answers leave in the order
of the batches, so none is seen that depends on something that a crash may take back. When the log fails or another
process has taken over, nothing leaves any more.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from struct import error as PackError  # noqa: N812 - it is an exception

import structlog

from farwire.base.clock import Clock
from farwire.charging.log import Batch, Log, LogFailed, Ticket
from farwire.charging.log.port import LogBusy
from farwire.charging.model import (
    EMERGENCY_KINDS,
    FREE,
    Account,
    Answer,
    Circle,
    Command,
    CommandKind,
    Decision,
    Request,
    ResultCode,
    SessionRequest,
    Tariffs,
    decide,
    expire,
    free_answer,
)
from farwire.charging.model.pricing import microseconds
from farwire.charging.model.session import find_session
from farwire.charging.shard.admission import PARTNERED, Admission, Moved, vshards_of
from farwire.charging.shard.arena import Arena
from farwire.charging.shard.asks import Ask, Open, Reply, Settings, tell
from farwire.charging.shard.due import DueIndex
from farwire.charging.shard.facts import pack_movement, pack_notice, pack_used
from farwire.charging.shard.homes import vshard_of
from farwire.charging.shard.index import Index
from farwire.charging.shard.layout import Accounts
from farwire.charging.shard.reading import Inspect, look
from farwire.kernel.errors import Exhausted, FarwireError, Invalid, check

_log = structlog.get_logger(__name__)


def _nothing(_: Ticket) -> None:
    """Nobody asked."""


def _may_meet(request: Command) -> bool:
    """Tell whether two accounts may stand in one decision: who shares must never be parted by a move."""
    return request.kind != CommandKind.SHARE or vshard_of(request.account) == vshard_of(request.subject)


Held = tuple[Ticket, list[tuple[Reply, Answer]]]


class Shard:
    """One shard in one process and one epoch."""

    def __init__(
        self,
        *,
        arena: Arena,
        log: Log,
        tariffs: Tariffs,
        clock: Clock,
        settings: Settings | None = None,
        timer: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        """Take over an arena that ``log`` has recovered. ``timer`` measures how long a batch is decided on."""
        self.settings = settings or Settings()
        self.arena = arena
        self.index = Index(arena)
        self.index.rebuild()
        self.accounts = Accounts(arena, self.index, cache=self.settings.cache)
        self.due = DueIndex(arena)
        self.due.rebuild()
        self.log = log
        self.tariffs = tariffs
        self.admission = Admission(self.settings.queue)
        self.failure: FarwireError | None = None
        self.decided = 0
        """Requests decided since the start."""
        self.on_ticket: Callable[[Ticket], None] = _nothing
        """Told of each batch that was handed to the log."""
        self._clock = clock
        self._timer = timer
        self._now = 0
        self._queue: deque[tuple[int, Ask, Reply]] = deque()
        self._held: deque[Held] = deque()
        self._unsent: tuple[Batch, list[tuple[Reply, Answer]]] | None = None

    # ---- in

    @property
    def waiting(self) -> int:
        """Return how many requests wait to be decided."""
        return len(self._queue)

    @property
    def in_flight(self) -> int:
        """Return how many batches wait to become durable."""
        return len(self._held) + (self._unsent is not None)

    @property
    def all_appended(self) -> bool:
        """Return whether every change of the arena stands in a batch that the log has: a snapshot may copy it."""
        return self.all_sent and not self.arena.changed

    @property
    def all_sent(self) -> bool:
        """Return whether the log has taken every batch so far."""
        return self._unsent is None

    def waits_for(self, vshard: int) -> bool:
        """Return whether a request waits that touches accounts of a virtual shard."""
        return any(vshard in vshards_of(request) for _, request, _ in self._queue)

    @property
    def idle(self) -> bool:
        """Return whether every request has been answered."""
        return not self._queue and not self.in_flight

    def submit(self, tenant: int, request: Ask, reply: Reply) -> None:
        """Take a request, or refuse it at once: too busy, or its account lives elsewhere."""
        if self.failure is not None:
            reply(None)
            return
        refused = self.admission.refusal(len(self._queue), request)
        if refused is None:
            self._queue.append((tenant, request, reply))
        elif isinstance(refused, Answer):
            reply(self._without_state(tenant, request, self.now(), refused))
        else:
            reply(refused)

    def _without_state(self, tenant: int, request: Ask, now: int, refusal: Answer) -> Answer:
        """Return the refusal, unless it is an emergency call: that is granted whatever happens."""
        if isinstance(request, Open | Inspect | Command):
            return refusal
        free = decide((), request, self.tariffs, now).answer
        if free.result == ResultCode.SUCCESS:
            return free
        return free_answer(request, now) if self._goes_on_free(tenant, request) else refusal

    def _goes_on_free(self, tenant: int, request: Request) -> bool:
        """Tell whether a call goes on that is free: who was called is named when it begins, and maybe not again."""
        if not isinstance(request, SessionRequest) or request.service.destination:
            return False
        if request.service.kind not in EMERGENCY_KINDS:
            return False
        account = self.accounts.find(tenant, request.account)
        sessions = () if account is None else account.sessions
        found = find_session(sessions, request.session_hi, request.session_lo)
        groups = () if found is None else found.groups
        return bool(groups) and all(group.price == FREE.number for group in groups)

    # ---- decide

    def now(self) -> int:
        """Return the time in microseconds since 1970. It never goes back while the process lives."""
        read = microseconds(self._clock.now())
        self._now = max(self._now, read)
        return self._now

    def step(self) -> bool:
        """Decide a batch and hand it to the log; return whether there is more that can be done right now.

        Without requests it looks after accounts that are due.
        """
        if not self._may_decide():
            return False
        now = self.now()
        facts: list[bytes] = []
        replies: list[tuple[Reply, Answer]] = []
        queue = self._queue
        until = self._timer() + self.settings.batch_us * 1_000
        while queue and len(replies) < self.settings.batch:
            tenant, request, reply = queue.popleft()
            replies.append((reply, self._answer(tenant, request, now, facts)))
            if len(replies) % 16 == 0 and self._timer() > until:
                break
        swept = self._sweep(now, facts)
        self.decided += len(replies)
        if replies or swept:
            self._commit(len(replies) + swept, replies, facts)
        return bool(queue) and not self._ended()

    def _may_decide(self) -> bool:
        if self._unsent is not None and not self._ended():
            batch, replies = self._unsent
            self._unsent = None
            self._append(batch, replies)
        return not self._ended() and self._unsent is None and len(self._held) < self.settings.in_flight

    def _ended(self) -> bool:
        return self.failure is not None

    def _answer(self, tenant: int, request: Ask, now: int, facts: list[bytes]) -> Answer:
        """Decide one request. What cannot be stored is refused, and leaves no trace."""
        try:
            if isinstance(request, Open):
                return self._open(request.account_to_open)
            if isinstance(request, Inspect):
                return look(self.accounts.find(tenant, request.account))
            circle = self._circle(tenant, request)
            decision = decide(circle, request, self.tariffs, now)
            self._store(circle, decision, facts)
        except Exhausted:
            return self._without_state(tenant, request, now, Answer(ResultCode.TOO_BUSY))
        except (Invalid, PackError):
            return self._without_state(tenant, request, now, Answer(ResultCode.INVALID))
        except Exception:  # noqa: BLE001 - one request that meets a defect must not end the shard for all others
            _log.exception("request could not be decided", account=request.account)
            return self._without_state(tenant, request, now, Answer(ResultCode.RATING_FAILED))
        return decision.answer

    def _circle(self, tenant: int, request: Request) -> Circle:
        """Return the account that is asked, the owners that it draws on, and who a transfer or share is with."""
        account = self.accounts.find(tenant, request.account)
        if account is None:
            return ()
        circle = self._with_owners(account)
        if isinstance(request, Command) and request.kind in PARTNERED and _may_meet(request):
            other = self.accounts.find(tenant, request.subject)
            if other is not None and all(one is not other for one in circle):
                circle = (*circle, other)
        return circle

    def _with_owners(self, account: Account) -> Circle:
        number = account.number
        others = {share.owner for share in account.shares} if account.shares else set()
        for session in account.sessions:
            if not session.ended:
                for group in session.groups:
                    for hold in group.holds:
                        if hold.account != number:
                            others.add(hold.account)
        if not others:
            return (account,)
        found = (self.accounts.find(account.tenant, other) for other in sorted(others - {number}))
        return (account, *(one for one in found if one is not None))

    def _store(self, before: Circle, decision: Decision, facts: list[bytes]) -> None:
        circle = decision.circle
        new: list[bytes] = []
        if decision.movements or decision.notices or decision.usages:
            tenant = circle[0].tenant
            for movement in decision.movements:
                new.append(pack_movement(tenant, movement))  # noqa: PERF401 - most have one: a loop is half the time
            for notice in decision.notices:
                new.append(pack_notice(tenant, notice))  # noqa: PERF401
            for used in decision.usages:
                new.append(pack_used(tenant, used))  # noqa: PERF401
        if len(circle) == 1:
            if circle[0] is not before[0]:
                self.due.note(self.accounts.replace(circle[0]), circle[0].due_at)
        else:
            changed = [after for old, after in zip(before, circle, strict=True) if after is not old]
            self.accounts.store(changed)
            for account in changed:
                self.due.note(self.accounts.slot_of(account), account.due_at)
        facts += new

    def _open(self, account: Account) -> Answer:
        home = vshard_of(account.number)
        if any(vshard_of(share.owner) != home for share in account.shares):
            return Answer(ResultCode.INVALID)  # they would be parted when one of them moves
        if self.accounts.find(account.tenant, account.number) is None:
            slot = self.accounts.add(account, vshard=home)
            self.due.note(slot, account.due_at)
        return Answer(ResultCode.SUCCESS)

    def _sweep(self, now: int, facts: list[bytes]) -> int:
        """Let time pass for accounts that are due; return how many were looked after."""
        slots = self.due.take(now, self.settings.sweep)
        for slot in slots:
            account = self.accounts.at(slot)
            if account is None or vshard_of(account.number) in self.admission.frozen:
                continue
            circle = self._with_owners(account)
            try:
                self._store(circle, expire(circle, self.tariffs, now), facts)
            except Exception:  # noqa: BLE001 - it stays as it is; its next request meets the same and is answered
                _log.exception("account could not be looked after", account=account.number)
        return len(slots)

    # ---- make durable

    def _commit(self, requests: int, replies: list[tuple[Reply, Answer]], facts: list[bytes]) -> None:
        """Log a batch, also one that changed nothing: its answers tell of what is in flight, and only the log knows
        whether another process has taken over and this one is telling old news.
        """
        changes = self.arena.take_changes()
        first = self.log.last + 1
        batch = Batch(
            self.log.epoch, first, first + requests - 1, changes.slots, changes.images, b"".join(facts)
        )
        self._append(batch, replies)

    def _append(self, batch: Batch, replies: list[tuple[Reply, Answer]]) -> None:
        try:
            ticket = self.log.append(batch)
        except LogBusy:
            self._unsent = (batch, replies)
        except FarwireError as error:
            self._unsent = (batch, replies)
            self.fail(error)
        else:
            self._held.append((ticket, replies))
            self.on_ticket(ticket)

    def log_changes(self, reply: Reply) -> None:
        """Log what somebody else has changed in the arena between two batches; ``reply`` tells when it is durable."""
        check(self.all_sent and not self._ended(), "charging.shard_busy")
        self._commit(1, [(reply, Answer(ResultCode.SUCCESS))], [])

    def settle(self) -> int:
        """Let out the answers of durable batches, in order; return how many left."""
        count = 0
        held = self._held
        while held and self.failure is None:
            ticket, replies = held[0]
            if not ticket.done():
                break
            error = ticket.future.exception()
            if error is not None:
                self.fail(error)
                break
            held.popleft()
            for reply, answer in replies:
                tell(reply, answer)
            count += len(replies)
        return count

    def fail(self, error: BaseException) -> None:
        """Stop for good: nobody waits any longer, nothing more is said. The next process recovers what was durable."""
        if self.failure is not None:
            return
        self.failure = error if isinstance(error, FarwireError) else LogFailed(f"the log ended: {error!r}")
        _log.error("charging shard ends", shard=self.log.shard, reason=str(error))
        waiting = [reply for _, replies in self._held for reply, _ in replies]
        waiting += [reply for reply, _ in (self._unsent[1] if self._unsent else [])]
        waiting += [reply for _, _, reply in self._queue]
        self._held.clear()
        self._queue.clear()
        self._unsent = None
        for reply in waiting:
            tell(reply, None)


async def recover(
    *,
    log: Log,
    records: int,
    tariffs: Tariffs,
    clock: Clock,
    settings: Settings | None = None,
    timer: Callable[[], int] = time.perf_counter_ns,
) -> Shard:
    """Return a working shard with everything that ``log`` kept, and room for ``records`` records.

    Raises what ``Log.recover`` raises.
    """
    arena = Arena(records + 1)
    found = await log.recover(arena.matrix)
    arena.adopt(found.used)
    return Shard(arena=arena, log=log, tariffs=tariffs, clock=clock, settings=settings, timer=timer)


__all__ = ["Ask", "Moved", "Open", "Reply", "Settings", "Shard", "recover"]
