"""Publish price plans; find offerings and the versions of their plans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from farwire.base import audit
from farwire.base.clock import Clock
from farwire.base.eventbus import publish
from farwire.base.storage import Database, Tx
from farwire.catalog.events import OFFERING_CREATED, offering_told, plan_published
from farwire.catalog.model import (
    Lifecycle,
    PlanVersion,
    PricePlan,
    ProductOffering,
    check_fits,
    check_plan,
    digest,
    in_force,
)
from farwire.catalog.store import plans as store
from farwire.kernel.errors import NotFound
from farwire.kernel.ids import OfferingId, PlanVersionId, TenantId, uuid7
from farwire.kernel.page import Page, PageRequest
from farwire.kernel.tenancy import Actor, ActorKind

OPERATOR: Final = Actor(ActorKind.OPERATOR, "command-line")
FIRST_PAGE: Final = PageRequest()


@dataclass(frozen=True, slots=True)
class Published:
    """The outcome of publishing: the version, and whether it is ``new`` or was there with the same content."""

    version: PlanVersion
    new: bool


async def publish_plan(*, tx: Tx, clock: Clock, plan: PricePlan, actor: Actor = OPERATOR) -> Published:
    """Publish ``plan`` as the next version of its offering, which is made where it is new.

    Idempotent by content: the same plan again returns the version that is there. Publishing of one offering is one
    at a time. Raises ``Invalid`` (see ``check_plan``) and ``Conflict`` (``catalog.version_overlap``).
    """
    check_plan(plan)
    now = clock.now()
    wanted = ProductOffering(OfferingId(uuid7(now)), plan.offering, plan.name, Lifecycle.ACTIVE)
    offering = await store.lock_offering(tx, wanted, now)
    if offering.id == wanted.id:
        await publish(tx, offering_told(tx.tenant_id, OFFERING_CREATED, offering.id, now))
    versions = [version for _, version in await store.versions_of(tx, [plan.offering])]
    name = digest(plan)
    for version in versions:
        if version.digest == name:
            return Published(version, new=False)
    check_fits(versions, plan)
    number = max((version.number for version in versions), default=0) + 1
    version = PlanVersion(PlanVersionId(uuid7(now)), offering.id, number, name, plan, now)
    await store.add_version(tx, version)
    if offering.name != plan.name:
        await store.rename_offering(tx, offering.id, plan.name)
    await publish(tx, plan_published(tx.tenant_id, version, now))
    await audit.record(
        tx,
        actor=actor,
        action="catalog.plan_publish",
        subject=str(version.id),
        at=now,
        detail={"offering": plan.offering, "number": number, "digest": name},
    )
    return Published(version, new=True)


async def plan_versions(tx: Tx, ids: Sequence[PlanVersionId]) -> Mapping[PlanVersionId, PlanVersion]:
    """Return the plan versions ``ids``. Raises ``NotFound`` (``catalog.plan_unknown``) if one is not this tenant's."""
    found = {version.id: version for version in await store.versions_by_id(tx, ids)}
    for plan_version_id in ids:
        if plan_version_id not in found:
            raise NotFound(
                "there is no such price plan version",
                code="catalog.plan_unknown",
                field="plan_version_id",
                value=plan_version_id,
            )
    return found


async def versions_by_code(tx: Tx, codes: Sequence[str]) -> Mapping[str, tuple[PlanVersion, ...]]:
    """Return the versions of the offerings ``codes``, the oldest first; an unknown code is absent."""
    found: dict[str, list[PlanVersion]] = {}
    for code, version in await store.versions_of(tx, codes):
        found.setdefault(code, []).append(version)
    return {code: tuple(versions) for code, versions in found.items()}


async def version_in_force(tx: Tx, *, code: str, at: datetime) -> PlanVersion:
    """Return the version of the offering ``code`` to sell at the instant ``at``.

    Raises ``NotFound`` (``catalog.plan_not_in_force``).
    """
    versions = (await versions_by_code(tx, [code])).get(code, ())
    version = in_force(versions, at)
    if version is None:
        raise NotFound(
            f"the offering {code} is not sold at {at.isoformat()}",
            code="catalog.plan_not_in_force",
            field="offering",
            value=code,
            fix="publish a plan that is valid then: farwire catalog publish FILE",
        )
    return version


async def list_offerings(
    *, db: Database, tenant_id: TenantId, page: PageRequest = FIRST_PAGE
) -> Page[ProductOffering]:
    """Return one page of the tenant's offerings, by code."""
    async with db.transaction(tenant_id, read_only=True) as tx:
        return await page_of_offerings(tx, page=page)


async def page_of_offerings(tx: Tx, *, page: PageRequest = FIRST_PAGE) -> Page[ProductOffering]:
    """Return one page of the tenant's offerings, by code."""
    items, total = await store.list_offerings(tx, offset=page.offset, limit=page.limit)
    return Page(items, total, page.offset, page.limit)


async def offering(*, tx: Tx, code: str) -> ProductOffering:
    """Return the offering ``code``. Raises ``NotFound`` (``catalog.offering_unknown``)."""
    return _known(await store.offering_by_code(tx, code), code)


async def offering_by_id(*, tx: Tx, offering_id: OfferingId) -> ProductOffering:
    """Return the offering ``offering_id``. Raises ``NotFound`` (``catalog.offering_unknown``)."""
    return _known(await store.offering_by_id(tx, offering_id), str(offering_id))


def _known(found: ProductOffering | None, name: str) -> ProductOffering:
    if found is None:
        raise NotFound(
            "there is no such offering",
            code="catalog.offering_unknown",
            field="offering",
            value=name,
            fix="farwire catalog list",
        )
    return found
