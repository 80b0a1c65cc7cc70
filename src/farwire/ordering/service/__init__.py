"""Use cases of orders. Import its public functions from here."""

from __future__ import annotations

from farwire.ordering.model import Decision
from farwire.ordering.service.act import (
    cancel_order,
    decide_fallout,
    hold_order,
    hold_unverified,
    reject_order,
    release_order,
    release_verified,
    set_policy,
)
from farwire.ordering.service.engine import BATCH, LIMIT, Worked, work
from farwire.ordering.service.erasing import erase_orders
from farwire.ordering.service.jeopardy import watch_due
from farwire.ordering.service.place import (
    Checked,
    Placed,
    amend_order,
    check,
    derived_key,
    draft_items,
    place_order,
)
from farwire.ordering.service.preview import Decomposed, Decomposition, preview_decomposition
from farwire.ordering.service.read import (
    OrderView,
    find_order,
    get_order,
    list_fallout,
    list_orders,
    next_due,
    orders_by_id,
    policy_of,
)

__all__ = [
    "BATCH",
    "LIMIT",
    "Checked",
    "Decision",
    "Decomposed",
    "Decomposition",
    "OrderView",
    "Placed",
    "Worked",
    "amend_order",
    "cancel_order",
    "check",
    "decide_fallout",
    "derived_key",
    "draft_items",
    "erase_orders",
    "find_order",
    "get_order",
    "hold_order",
    "hold_unverified",
    "list_fallout",
    "list_orders",
    "next_due",
    "orders_by_id",
    "place_order",
    "policy_of",
    "preview_decomposition",
    "reject_order",
    "release_order",
    "release_verified",
    "set_policy",
    "watch_due",
    "work",
]
