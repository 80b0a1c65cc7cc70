"""Products, services and resources that exist, as values: no I/O, no clock."""

from __future__ import annotations

from farwire.inventory.model.history import Fact, Standing, history, standing_at
from farwire.inventory.model.life import Closing, Resumed, check_active, end, replan, resume, suspend
from farwire.inventory.model.product import (
    Assignment,
    Commitment,
    EndReason,
    PlanChange,
    PriceOverride,
    Product,
    ProductState,
    Suspension,
    SuspensionReason,
)
from farwire.inventory.model.resource import (
    RESERVED_FOR,
    NewResource,
    Pool,
    PoolCount,
    Resource,
    ResourceKind,
    ResourceState,
    ResourceUse,
    check_resource,
    identifiers,
    is_personal,
    masked,
    number_range,
)
from farwire.inventory.model.service import (
    Service,
    ServiceChange,
    ServiceState,
    check_service_change,
)

__all__ = [
    "RESERVED_FOR",
    "Assignment",
    "Closing",
    "Commitment",
    "EndReason",
    "Fact",
    "NewResource",
    "PlanChange",
    "Pool",
    "PoolCount",
    "PriceOverride",
    "Product",
    "ProductState",
    "Resource",
    "ResourceKind",
    "ResourceState",
    "ResourceUse",
    "Resumed",
    "Service",
    "ServiceChange",
    "ServiceState",
    "Standing",
    "Suspension",
    "SuspensionReason",
    "check_active",
    "check_resource",
    "check_service_change",
    "end",
    "history",
    "identifiers",
    "is_personal",
    "masked",
    "number_range",
    "replan",
    "resume",
    "standing_at",
    "suspend",
]
