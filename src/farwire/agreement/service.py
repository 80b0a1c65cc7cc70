"""Use cases of agreements: draft, approve by a second person, amend, terminate, and find what was agreed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from farwire.agreement import store
from farwire.agreement.events import (
    AGREEMENT_APPROVED,
    AGREEMENT_DRAFTED,
    AGREEMENT_TERMINATED,
    AGREEMENT_WITHDRAWN,
    agreement_event,
)
from farwire.agreement.model import (
    Agreement,
    AgreementItem,
    AgreementState,
    approved,
    check_agreement,
    check_follows,
    cut_short,
    terminated,
    withdrawn,
)
from farwire.base import audit, eventbus
from farwire.base.canonical import JSON
from farwire.base.storage import Tx, on_violation
from farwire.catalog import service as catalog
from farwire.catalog.model import in_force
from farwire.kernel.errors import Conflict, Invalid, NotFound
from farwire.kernel.ids import AgreementId, PartyId, uuid7
from farwire.kernel.page import Page, PageRequest
from farwire.kernel.tenancy import Actor
from farwire.party import service as parties
from farwire.party.model import gone

FIRST_PAGE: Final = PageRequest()


async def draft_agreement(
    tx: Tx,
    *,
    number: str,
    party_id: PartyId,
    items: Sequence[AgreementItem],
    valid_from: datetime,
    valid_to: datetime | None,
    now: datetime,
    actor: Actor,
) -> Agreement:
    """Draft an agreement and return it. Nothing holds until a second person approves it.

    The same draft by the same actor again returns the one that is there. Raises ``NotFound`` (``party.unknown``),
    ``Conflict`` (``agreement.number_taken``, ``party.erased``), ``Invalid`` (``agreement.offering_unknown``,
    ``agreement.price_unknown`` and what ``check_agreement`` raises).
    """
    draft = check_agreement(
        Agreement(AgreementId(uuid7(now)), number, party_id, valid_from, valid_to, tuple(items), now, actor)
    )
    versions = await store.lock_versions(tx, number)
    if versions:
        last = versions[-1]
        if last.state is AgreementState.DRAFT and _same(draft, last):
            return last
        raise _taken(number)
    return await _add(tx, draft, now, actor)


def _taken(number: str) -> Conflict:
    return Conflict(
        "another agreement has this number",
        code="agreement.number_taken",
        field="number",
        value=number,
        fix="amend it, or choose another number",
    )


def _same(one: Agreement, other: Agreement) -> bool:
    names = ("party_id", "valid_from", "valid_to", "items", "requested_by")
    return all(getattr(one, name) == getattr(other, name) for name in names)


async def _add(tx: Tx, draft: Agreement, now: datetime, actor: Actor) -> Agreement:
    party = await parties.lock_party(tx, draft.party_id)  # an erasure waits, and then finds the draft
    if party.erased_at is not None:
        raise gone(party)
    await _check_offerings(tx, draft)
    taken = _taken(draft.number)
    with on_violation({"agreement_tenant_id_number_version_key": taken, "agreement_one_draft": taken}):
        await store.add_agreement(tx, draft)
    await _note(tx, draft, AGREEMENT_DRAFTED, "agreement.drafted", now, actor)
    return draft


async def _check_offerings(tx: Tx, draft: Agreement) -> None:
    """Refuse what no plan has: a mistyped price id would silently bill the list price."""
    plans = await catalog.versions_by_code(tx, codes=sorted(item.offering for item in draft.items))
    for item in draft.items:
        versions = plans.get(item.offering, ())
        if not versions:
            raise Invalid(
                "no such offering was published",
                code="agreement.offering_unknown",
                field="offering",
                value=item.offering,
                fix="see: farwire catalog list",
            )
        plan = (in_force(versions, draft.valid_from) or versions[-1]).plan
        known = {price.id for group in (plan.recurring, plan.one_off, plan.usage) for price in group}
        for one in item.overrides:
            if one.price_id not in known:
                raise Invalid(
                    f"{item.offering} has no such price",
                    code="agreement.price_unknown",
                    field="price_id",
                    value=one.price_id,
                    fix=f"one of {', '.join(sorted(known))}",
                )


async def _note(
    tx: Tx, agreement: Agreement, event_type: str, action: str, now: datetime, actor: Actor
) -> None:
    await eventbus.publish(tx, agreement_event(event_type, agreement, tenant_id=tx.tenant_id, at=now))
    detail: Mapping[str, JSON] = {"version": agreement.version, "party": str(agreement.party_id)}
    await audit.record(tx, actor=actor, action=action, subject=str(agreement.id), at=now, detail=detail)


async def _versions(tx: Tx, number: str) -> tuple[Agreement, ...]:
    found = await store.lock_versions(tx, number)
    if not found:
        raise unknown(number)
    return found


def unknown(value: object) -> NotFound:
    """Return the error for a number or id that is no agreement of this tenant."""
    return NotFound(
        "there is no such agreement",
        code="agreement.unknown",
        field="agreement",
        value=value,
        fix="see: farwire agreement list",
    )


async def amend_agreement(
    tx: Tx,
    *,
    number: str,
    items: Sequence[AgreementItem],
    valid_from: datetime,
    valid_to: datetime | None,
    now: datetime,
    actor: Actor,
) -> Agreement:
    """Draft the next version of an agreement: all of what shall hold from ``valid_from`` on. Return it.

    Raises ``NotFound`` (``agreement.unknown``), ``Conflict`` (``agreement.draft_open``, ``agreement.never_active``,
    ``agreement.amendment_in_past``) and what ``draft_agreement`` raises.
    """
    versions = await _versions(tx, number)
    former, last = _amendable(number, versions), versions[-1]
    draft = check_agreement(
        Agreement(
            AgreementId(uuid7(now)),
            number,
            former.party_id,
            valid_from,
            valid_to,
            tuple(items),
            now,
            actor,
            version=last.version + 1,
        )
    )
    if last.state is AgreementState.DRAFT:
        if _same(draft, last):
            return last
        raise Conflict(
            "another amendment waits for its approval",
            code="agreement.draft_open",
            field="agreement",
            value=number,
            fix="approve it or withdraw it first",
        )
    check_follows(draft, former)
    return await _add(tx, draft, now, actor)


def _amendable(number: str, versions: Sequence[Agreement]) -> Agreement:
    """Return the last version that was approved. Raises ``Conflict`` (``agreement.never_active``)."""
    former = next((one for one in reversed(versions) if one.approved_at is not None), None)
    if former is not None:
        return former
    raise Conflict(
        "no version of the agreement was ever active",
        code="agreement.never_active",
        field="agreement",
        value=number,
        fix="approve its draft, or withdraw it and draft another",
    )


async def approve_agreement(tx: Tx, *, number: str, now: datetime, actor: Actor) -> Agreement:
    """Make the draft of an agreement active; the version before it ends where the new one starts. Return it.

    The same approval by the same actor again returns it. Raises ``NotFound`` (``agreement.unknown``), ``Conflict``
    (``agreement.transition``), ``SecondPersonMissing`` (``authz.four_eyes``).
    """
    versions = await _versions(tx, number)
    draft = versions[-1]
    if draft.state is AgreementState.ACTIVE and draft.approved_by == actor:
        return draft
    former = next((one for one in reversed(versions) if one.state is AgreementState.ACTIVE), None)
    active, ended = approved(draft, former, by=actor, now=now)
    if ended is not None:
        await store.save_state(tx, ended)
        await eventbus.publish(
            tx, agreement_event(AGREEMENT_TERMINATED, ended, tenant_id=tx.tenant_id, at=now)
        )
    await store.save_state(tx, active)
    await _note(tx, active, AGREEMENT_APPROVED, "agreement.approved", now, actor)
    return active


async def withdraw_draft(tx: Tx, *, number: str, now: datetime, actor: Actor) -> Agreement:
    """Take back the draft of an agreement and return it.

    Raises ``NotFound`` (``agreement.unknown``), ``Conflict`` (``agreement.transition``).
    """
    after = withdrawn((await _versions(tx, number))[-1], now=now)
    await store.save_state(tx, after)
    await _note(tx, after, AGREEMENT_WITHDRAWN, "agreement.withdrawn", now, actor)
    return after


async def terminate_agreement(tx: Tx, *, number: str, at: datetime, now: datetime, actor: Actor) -> Agreement:
    """End the active version of an agreement at ``at`` and return it; products keep what was agreed until then.

    Where that version was to start later, it never holds, and the one before it ends at ``at``.

    Raises ``NotFound`` (``agreement.unknown``), ``Conflict`` (``agreement.transition``, ``agreement.end``).
    """
    versions = await _versions(tx, number)
    active = next((one for one in reversed(versions) if one.state is AgreementState.ACTIVE), versions[-1])
    sooner = cut_short(active, versions, at)
    after = terminated(active, max(at, active.valid_from), now=now)
    for one in (*sooner, after):
        await store.save_state(tx, one)
    await _note(tx, after, AGREEMENT_TERMINATED, "agreement.terminated", now, actor)
    return after


async def get_agreement(tx: Tx, agreement_id: AgreementId) -> Agreement:
    """Return one version. Raises ``NotFound`` (``agreement.unknown``)."""
    found = await store.agreement(tx, agreement_id)
    if found is None:
        raise unknown(agreement_id)
    return found


async def agreement_versions(tx: Tx, number: str) -> tuple[Agreement, ...]:
    """Return the versions of a number, oldest first. Raises ``NotFound`` (``agreement.unknown``)."""
    found = await store.versions(tx, number)
    if not found:
        raise unknown(number)
    return found


async def agreements_of_party(tx: Tx, party_id: PartyId) -> tuple[Agreement, ...]:
    """Return all versions of a party's agreements, by number and version."""
    return await store.agreements_of(tx, [party_id])


async def list_agreements(tx: Tx, *, page: PageRequest = FIRST_PAGE) -> Page[Agreement]:
    """Return a page of versions by number and version."""
    items, total = await store.list_agreements(tx, offset=page.offset, limit=page.limit)
    return Page(items, total, page.offset, page.limit)


async def agreement_for(
    tx: Tx, *, party_id: PartyId, offering: str, at: datetime
) -> tuple[Agreement, AgreementItem] | None:
    """Return what holds for a party and an offering at ``at``, or None.

    Its own agreement comes before those of the organisations above it, the nearest first; of several of one party the
    one that was approved last.
    """
    for holder in (party_id, *await parties.ancestors_of(tx, party_id)):
        holding = [
            (one, item)
            for one in await store.agreements_of(tx, [holder])
            if one.in_force(at) and (item := one.item(offering)) is not None
        ]
        if holding:
            return max(holding, key=lambda pair: (pair[0].approved_at or pair[0].requested_at, pair[0].id))
    return None
