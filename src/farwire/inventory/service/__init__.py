"""Use cases of products and subscribers."""

from __future__ import annotations

from farwire.inventory.service.products import (
    Overlap,
    add_products,
    change_plan,
    end_product,
    get_products,
    products_by_account,
    products_by_subscriber,
    reassign,
)
from farwire.inventory.service.subscriber_import import SubscriberReport, import_subscribers
from farwire.inventory.service.subscribers import (
    ensure_subscriber_keys,
    erase_subscribers,
    identifiers_of,
    subscriber_keys,
)

__all__ = [
    "Overlap",
    "SubscriberReport",
    "add_products",
    "change_plan",
    "end_product",
    "ensure_subscriber_keys",
    "erase_subscribers",
    "get_products",
    "identifiers_of",
    "import_subscribers",
    "products_by_account",
    "products_by_subscriber",
    "reassign",
    "subscriber_keys",
]
