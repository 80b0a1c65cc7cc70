"""What befalls a product and what is agreed for it: suspensions, price overrides, commitments, places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from farwire.base import eventbus
from farwire.base.storage import Tx, on_violation
from farwire.inventory import events
from farwire.inventory.model import (
    Commitment,
    PriceOverride,
    Product,
    SuspensionReason,
    check_active,
    relocate,
    resume,
    suspend,
)
from farwire.inventory.service.products import get_products, locked_product
from farwire.inventory.store import terms as store
from farwire.kernel.errors import Conflict, Invalid, NotFound
from farwire.kernel.ids import AgreementId, OverrideId, ProductId

_FIRST: Final = ProductId(UUID(int=0))


async def suspend_product(
    tx: Tx,
    *,
    product_id: ProductId,
    reason: SuspensionReason,
    at: datetime,
    recurring_percent: int,
    now: datetime | None = None,
) -> bool:
    """Add a reason for which the product is suspended from ``at`` on; return whether it is new.

    ``recurring_percent`` (0 to 100) is what is charged of recurring prices meanwhile: the caller's policy. Idempotent
    by reason. ``now`` is when it is written down; without it, ``at``. Publishes ``product_suspended``. Raises
    ``NotFound``, ``Invalid`` (``inventory.percent``), ``Conflict`` (``inventory.not_active``,
    ``inventory.suspended_otherwise``).
    """
    product = await locked_product(tx, product_id)
    suspension = suspend(product, reason, at, recurring_percent)
    if suspension is None:
        return False
    await store.add_suspensions(tx, [(product_id, len(product.suspensions), suspension)])
    await eventbus.publish(tx, events.product_suspended(tx.tenant_id, product, reason, at, now))
    return True


async def resume_product(
    tx: Tx, *, product_id: ProductId, reason: SuspensionReason, at: datetime, now: datetime | None = None
) -> bool:
    """Take a reason away from ``at`` on; return whether the product now serves: no other reason is left then.

    Idempotent: where the product is not suspended for that reason, nothing happens. Publishes ``product_resumed``.
    Raises ``NotFound``, ``Conflict`` (``inventory.not_active``).
    """
    product = await locked_product(tx, product_id)
    resumed = resume(product, reason, at)
    if resumed.closings:
        await store.close_suspensions(tx, product_id, resumed.closings)
        event = events.product_resumed(tx.tenant_id, product, reason, resumed.serves, at, now)
        await eventbus.publish(tx, event)
    return not resumed.product.suspended_for(at)


async def add_override(tx: Tx, *, product_id: ProductId, override: PriceOverride) -> None:
    """Let another price hold for the product. Of overlapping ones the last added holds; idempotent by its id.

    Raises ``NotFound``, ``Invalid`` (``inventory.override``), ``Conflict`` (``inventory.not_active``,
    ``inventory.override_known``: another override has the id).
    """
    _check_override(override)
    product = await locked_product(tx, product_id)
    if any(one.id == override.id for one in product.overrides):
        if override in product.overrides:
            return
        raise _known(override.id)
    check_active(product, override.valid_from)
    with on_violation({"price_override_id": _known(override.id)}):
        await store.add_overrides(tx, [(product_id, len(product.overrides), override)])


def _check_override(override: PriceOverride) -> None:
    amounts = [amount for amount in (override.price, override.percent) if amount is not None]
    amount_fits = len(amounts) == 1 and amounts[0].is_finite() and amounts[0] >= 0
    ends = override.valid_to is not None and override.valid_to <= override.valid_from
    if not amount_fits or ends or not override.price_id:
        raise Invalid(
            "an override names a price and gives either another price or a percentage, for some time",
            code="inventory.override",
            field="override",
        )


def _known(override_id: OverrideId) -> Conflict:
    return Conflict(
        "another override has this id", code="inventory.override_known", field="override", value=override_id
    )


async def close_override(tx: Tx, *, product_id: ProductId, override_id: OverrideId, at: datetime) -> None:
    """Let an override end at ``at``; at its start or before, it was never in force. Idempotent.

    Raises ``NotFound`` (``inventory.unknown``, ``inventory.override_unknown``), ``Conflict``
    (``inventory.override_ended``: it ended earlier).
    """
    product = await locked_product(tx, product_id)
    found = next(((n, one) for n, one in enumerate(product.overrides) if one.id == override_id), None)
    if found is None:
        raise NotFound(
            "the product has no such override",
            code="inventory.override_unknown",
            field="override",
            value=override_id,
        )
    number, override = found
    ends = max(at, override.valid_from)
    if override.valid_to is not None and override.valid_to < ends:
        raise Conflict("it ended earlier", code="inventory.override_ended", field="at", value=at)
    await store.close_override(tx, product_id, number, ends)


async def products_with_prices_of(
    tx: Tx, agreement_ids: Sequence[AgreementId], *, after: ProductId = _FIRST, limit: int = 500
) -> Mapping[ProductId, Product]:
    """Return the next ``limit`` products after ``after`` that have or had a price of one of the agreements, by id.

    Empty where there are no more. Go on with the last product of the answer.
    """
    ids = await store.products_with_prices_of(tx, agreement_ids, after=after, limit=limit)
    found = await get_products(tx, ids)
    return {product_id: found[product_id] for product_id in ids}


async def set_commitment(tx: Tx, *, product_id: ProductId, commitment: Commitment) -> None:
    """Let a minimum term hold for the product; an earlier one stays on record. Idempotent.

    Raises ``NotFound``, ``Invalid`` (``inventory.commitment``).
    """
    both = commitment.fee is not None and commitment.remaining_percent is not None
    bounds = (commitment.fee or 0, commitment.remaining_percent or 0, commitment.notice_days)
    if both or commitment.ends_at < commitment.starts_at or min(*bounds, commitment.withdrawal_days) < 0:
        raise Invalid(
            "a minimum term ends after it starts, and has a fee or a percentage, not both",
            code="inventory.commitment",
            field="commitment",
        )
    product = await locked_product(tx, product_id)
    if product.commitment != commitment:
        await store.add_commitments(tx, [(product_id, commitment)])


async def move_product(
    tx: Tx, *, product_id: ProductId, place: str, at: datetime, now: datetime | None = None
) -> bool:
    """Let the product be at another place from ``at`` on; return whether that is new.

    Price and term stay. Idempotent. ``now`` is when it is written down; without it, ``at``. Publishes
    ``product_moved``. Raises ``NotFound``, ``Invalid`` (``inventory.place``), ``Conflict`` (``inventory.not_active``).
    """
    product = await locked_product(tx, product_id)
    change = relocate(product, place, at)
    if change is None:
        return False
    await store.add_places(tx, [(product_id, len(product.places), change)])
    await eventbus.publish(tx, events.product_moved(tx.tenant_id, product, at, now))
    return True


async def erase_places(tx: Tx, product_ids: Sequence[ProductId]) -> int:
    """Forget where the products are and were; return how many places that is. When they moved stays."""
    return await store.blank_places(tx, product_ids)
