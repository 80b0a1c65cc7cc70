"""Record acts in the transaction that performs them; verify the chain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from farwire.base.audit import store
from farwire.base.audit.model import Act, Entry, Finding, Head, Verifier, chain, checked
from farwire.base.canonical import JSON
from farwire.base.storage import Tx
from farwire.kernel.page import PageRequest
from farwire.kernel.tenancy import Actor

VERIFY_BATCH: Final = 1000
MAX_FINDINGS: Final = 100
"""A report stops growing here; the first findings say where to look."""


async def record(
    tx: Tx, *, actor: Actor, action: str, subject: str, at: datetime, detail: Mapping[str, JSON]
) -> None:
    """Append one entry to the tenant's chain, in the transaction of the act itself.

    ``action`` is ``context.verb`` (``bill.run``), ``subject`` the id of the thing, ``detail`` ids, codes and whole
    numbers. Call it late in the transaction: it locks the tenant's chain until the commit, so a bulk operation writes
    one entry with its counts. Raises ``Invalid``: ``audit.action``, ``audit.subject``, ``audit.too_large``,
    ``audit.personal_data``, ``canonical.unsupported``.
    """
    act = checked(Act(actor, action, subject, at, detail))
    head = await store.lock_head(tx)
    await store.save_entry(tx, chain(tx.tenant_id, head, act))


@dataclass(frozen=True, slots=True)
class Verification:
    """The outcome of a walk over one chain: how many entries it has, its head, what is wrong with it."""

    entries: int
    head: Head
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Return whether nothing is wrong."""
        return not self.findings


async def verify(*, tx: Tx, expected: Head | None = None) -> Verification:
    """Walk the tenant's whole chain and report every changed, removed, moved or inserted entry.

    ``expected`` is a head that was kept outside; with it a cut tail and a chain rewritten from some entry on show
    too, which no chain can show by itself. Reads ``VERIFY_BATCH`` entries at a time; findings stop at
    ``MAX_FINDINGS``. Entries appended while it runs do not disturb it.
    """
    verifier = Verifier(tx.tenant_id, expected)
    findings: list[Finding] = []
    count = 0
    while batch := await store.load_entries(tx, after=verifier.head.sequence, limit=VERIFY_BATCH):
        for entry in batch:
            findings.extend(verifier.check(entry))
        count += len(batch)
        if len(findings) >= MAX_FINDINGS:
            return Verification(count, verifier.head, tuple(findings[:MAX_FINDINGS]))
    findings.extend(verifier.finish())
    return Verification(count, verifier.head, tuple(findings))


async def head(*, tx: Tx) -> Head:
    """Return the head of the tenant's chain, to be kept outside as an anchor."""
    return await store.load_head(tx)


async def latest(
    *, tx: Tx, limit: int = 50, action_prefix: str = "", subject: str | None = None
) -> list[Entry]:
    """Return the last ``limit`` (≤ 1000) entries, newest first."""
    page = PageRequest(limit=limit)
    return await store.load_latest(tx, limit=page.limit, action_prefix=action_prefix, subject=subject)
