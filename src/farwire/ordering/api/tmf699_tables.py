"""TMF699 as tables of facts: what the document v4.0.0 says of each resource."""

from __future__ import annotations

from typing import Final

from farwire.base.tmf import Descriptor, attributes, lifecycle

LEAD_STATES: Final = lifecycle(
    "status",
    """
    acknowledged -> inProgress, pending, accepted, rejected, cancelled
    inProgress   -> pending, accepted, rejected, cancelled
    pending      -> inProgress, accepted, rejected, cancelled
    accepted     ->
    rejected     ->
    cancelled    ->
    """,
)

SALES_LEAD: Final = Descriptor(
    type="SalesLead",
    path="salesLead",
    lifecycle=LEAD_STATES,
    own=attributes(
        """
        category             CategoryRef ->620/Category
        channel              ChannelRef
        creationDate         dateTime                        created
        description          string
        estimatedRevenue     Money
        marketSegment        MarketSegmentRef
        marketingCampaign    MarketingCampaignRef
        name                 string                          required
        note                 Note[]
        priority             string
        product              ProductRef ->637/Product
        productOffering      ProductOfferingRef              ->620/ProductOffering
        productSpecification ProductSpecificationRef         ->620/ProductSpecification
        prospectContact      ContactMedium[]
        rating               string
        referredDate         dateTime
        relatedParty         RelatedPartyRefOrPartyRoleRef[]
        salesOpportunity     SalesOpportunityRef
        status               string
        statusChangeDate     dateTime
        statusChangeReason   string
        type                 string
        validFor             TimePeriod
        """
    ),
)

ALL: Final = (SALES_LEAD,)
