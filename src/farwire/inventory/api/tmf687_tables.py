"""TMF687 as tables of facts: what the document v4.0.0 says of each resource."""

from __future__ import annotations

from typing import Final

from farwire.base.tmf import Descriptor, Operation, attributes, lifecycle

TASK: Final = frozenset({Operation.LIST, Operation.GET, Operation.CREATE})

STOCK_STATES: Final = lifecycle(
    "productStockStatusType",
    """
    unknown     -> available, unavailable, reserved
    available   -> reserved, unavailable, unknown
    reserved    -> available, unavailable, unknown
    unavailable -> available, reserved, unknown
    """,
)
"""Stock moves between them freely."""

TASK_STATES: Final = lifecycle(
    "state",
    """
    accepted            -> inProgress, done, terminatedWithError
    inProgress          -> done, terminatedWithError
    done                ->
    terminatedWithError ->
    """,
)
"""A task that the server carries out."""

RESERVE_STATES: Final = lifecycle(
    "reserveProductStockState",
    """
    accepted            -> inProgress, done, terminatedWithError
    inProgress          -> done, terminatedWithError
    done                -> cancelled
    cancelled           ->
    terminatedWithError ->
    """,
)
"""A task that the server carries out; what it holds is given back when a client cancels it, or its time is over."""

PRODUCT_STOCK: Final = Descriptor(
    type="ProductStock",
    path="productStock",
    lifecycle=STOCK_STATES,
    own=attributes(
        """
        channel                  ChannelRef[]
        creationDate             dateTime                        created
        description              string
        lastInventoryDate        dateTime
        lastUpdate               dateTime                        changed
        marketSegment            MarketSegmentRef[]
        maxStockLevel            Quantity
        minStockLevel            Quantity
        name                     string
        place                    RelatedPlaceRefOrValue
        productStockLevel        Quantity                        required
        productStockRelationship ProductStockRelationship[]
        productStockStatusType   string                          required
        productStockUsageType    string
        relatedParty             RelatedPartyRefOrPartyRoleRef[]
        reorderQuantity          Quantity
        replenishmentDate        dateTime
        resource                 ResourceRef[]
        stockLevelAlert          Quantity
        stockLevelCategory       string
        stockedProduct           ProductRefOrValue               required
        """
    ),
)

ADJUST_PRODUCT_STOCK: Final = Descriptor(
    type="AdjustProductStock",
    path="adjustProductStock",
    operations=TASK,
    lifecycle=TASK_STATES,
    events=("Create", "AttributeValueChange", "StateChange"),
    own=attributes(
        """
        adjustProductStockItem          AdjustProductStockItem[] required
        adjustReason                    string
        completedAdjustProductStockDate dateTime
        creationDate                    dateTime                 created
        description                     string
        instantSyncAdjust               boolean
        requestedAdjustProductStockDate dateTime
        state                           string
        """
    ),
)

CHECK_PRODUCT_STOCK: Final = Descriptor(
    type="CheckProductStock",
    path="checkProductStock",
    operations=TASK,
    lifecycle=TASK_STATES,
    events=("Create", "AttributeValueChange", "StateChange"),
    own=attributes(
        """
        checkProductStockItem          CheckProductStockItem[]         required
        completedCheckProductStockDate dateTime
        creationDate                   dateTime                        created
        instantSyncCheck               boolean
        place                          PlaceRefOrValue
        provideAlternative             boolean
        relatedParty                   RelatedPartyRefOrPartyRoleRef[]
        requestedAvailabilityDate      dateTime
        requestedCheckProductStockDate dateTime
        state                          string
        """
    ),
)

RESERVE_PRODUCT_STOCK: Final = Descriptor(
    type="ReserveProductStock",
    path="reserveProductStock",
    operations=TASK | {Operation.PATCH},
    lifecycle=RESERVE_STATES,
    events=("Create", "AttributeValueChange", "StateChange"),
    own=attributes(
        """
        channel                  ChannelRef[]
        creationDate             dateTime                        created
        marketSegment            MarketSegmentRef[]
        place                    RelatedPlaceRefOrValue
        relatedEntity            RelatedEntity[]
        relatedParty             RelatedPartyRefOrPartyRoleRef[]
        requiredAvailabilityDate dateTime
        reserveProductStockItem  ReserveProductStockItem[]       required
        reserveProductStockState string
        validFor                 TimePeriod
        """
    ),
)

QUERY_PRODUCT_STOCK: Final = Descriptor(
    type="QueryProductStock",
    path="queryProductStock",
    operations=TASK,
    lifecycle=TASK_STATES,
    events=("Create", "AttributeValueChange", "StateChange"),
    own=attributes(
        """
        completedQueryProductStockDate dateTime
        creationDate                   dateTime                        created
        instantSyncCheck               boolean
        queryProductStockItem          ProductStock[]
        relatedParty                   RelatedPartyRefOrPartyRoleRef[]
        requestedAvailabilityDate      dateTime
        requestedQueryProductStockDate dateTime
        searchCriteria                 ProductStock                    required
        state                          string
        """
    ),
)

ALL: Final = (
    PRODUCT_STOCK,
    ADJUST_PRODUCT_STOCK,
    CHECK_PRODUCT_STOCK,
    RESERVE_PRODUCT_STOCK,
    QUERY_PRODUCT_STOCK,
)
