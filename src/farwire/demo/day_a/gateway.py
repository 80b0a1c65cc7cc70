"""A packet gateway for one subscriber: it asks for quotas, lets data through, and reports, as RFC 8506 has it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from farwire.base.clock import MovableClock
from farwire.charging import service as charging
from farwire.charging.model import (
    NOTHING,
    Account,
    Answer,
    Ask,
    FinalAction,
    GroupAnswer,
    Phase,
    ResultCode,
    Service,
    SessionRequest,
)
from farwire.kernel.errors import check

RATING_GROUP: Final = 1
QUOTA_LASTS: Final = timedelta(minutes=1)
"""How long the subscriber needs for a quota."""
REPEATED: Final = 3
"""The request whose answer gets lost on its way, in the first session."""


@dataclass(slots=True)
class Gateway:
    """It counts what it let through and was given. ``epoch`` tells its sessions from those before a restart."""

    client: charging.Client
    account: charging.ChargingAccount
    clock: MovableClock
    epoch: int
    used: int = 0
    """Octets that it let through, all sessions."""
    most: int = 0
    """The most octets that were ever used and granted together."""
    quotas: int = 0
    last: FinalAction = FinalAction.NONE
    """What the last quota said that is to be done at its end."""
    refused: int = 0
    """The code of the refusal."""
    repeated: str = ""
    """What became of a request that was sent twice."""

    async def session(self, index: int, octets: int) -> None:
        """Let up to ``octets`` through in a session of their own. It ends where charging gives no more."""
        group = await self._quota(index, 0, Ask(RATING_GROUP))
        left, number = octets, 0
        while group.granted:
            number += 1
            sent = min(left, self._until_report(group))
            left -= sent
            self.used += sent
            self.clock.advance(QUOTA_LASTS)
            if not left:
                await self._end(index, number, sent)
                return
            group = await self._quota(index, number, Ask(RATING_GROUP, sent))
        self.refused = group.result
        await self._end(index, number + 1, 0)

    def _until_report(self, group: GroupAnswer) -> int:
        """Return how much is let through before charging is asked again: all of it only where it is the last."""
        return group.granted if group.final != FinalAction.NONE else group.granted - group.threshold

    async def _quota(self, index: int, number: int, ask: Ask) -> GroupAnswer:
        answer = await self._ask(index, number, Phase.UPDATE if number else Phase.INITIAL, ask)
        if number == REPEATED and not self.repeated:
            await self._repeat(index, ask, answer)
        (group,) = answer.groups
        self.most = max(self.most, self.used + group.granted)
        if group.granted:
            self.quotas += 1
            self.last = FinalAction(group.final)
        return group

    async def _repeat(self, index: int, ask: Ask, answer: Answer) -> None:
        """Send the request again, as a gateway does that heard nothing, and see what it moves."""
        before = await self.account_now()
        again = await self._ask(index, REPEATED, Phase.UPDATE, ask)
        after = await self.account_now()
        same = "same answer" if again == answer else "another answer"
        moved = "nothing moved" if before.balances == after.balances else "something moved"
        self.repeated = f"{same}, {moved}"

    async def _end(self, index: int, number: int, sent: int) -> None:
        await self._ask(index, number, Phase.TERMINATION, Ask(RATING_GROUP, sent, NOTHING))

    async def _ask(self, index: int, number: int, phase: Phase, ask: Ask) -> Answer:
        request = SessionRequest(
            self.account.number, self.epoch, index, number, int(phase), Service("data"), (ask,)
        )
        answer = await self.client.ask(self.account.tenant_number, request)
        check(answer.result == ResultCode.SUCCESS, "demo.session", f"charging answers {answer.result}")
        return answer

    async def account_now(self) -> Account:
        """Return the account as its shard has it."""
        seen = await charging.inspect(self.client, account=self.account)
        check(seen.seen is not None, "demo.account_live", "the shard does not know the account")
        assert seen.seen is not None  # noqa: S101 - for the type checker
        return seen.seen
