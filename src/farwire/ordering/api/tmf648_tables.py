"""TMF648 as tables of facts: what the document v4.0.0 says of each resource."""

from __future__ import annotations

from typing import Final

from farwire.base.tmf import Descriptor, attributes, lifecycle

QUOTE_STATES: Final = lifecycle(
    "state",
    """
    inProgress -> pending, approved, rejected, cancelled
    pending    -> inProgress, approved, rejected, cancelled
    approved   -> accepted, rejected, cancelled, inProgress
    accepted   ->
    rejected   ->
    cancelled  ->
    """,
)
"""The quote's state diagram."""

QUOTE: Final = Descriptor(
    type="Quote",
    path="quote",
    lifecycle=QUOTE_STATES,
    events=("Create", "AttributeValueChange", "StateChange", "Delete", "InformationRequired"),
    own=attributes(
        """
        agreement                    AgreementRef[]
        authorization                Authorization[]
        billingAccount               BillingAccountRef[] ->666/BillingAccount
        category                     string
        contactMedium                ContactMedium[]
        description                  string
        effectiveQuoteCompletionDate dateTime
        expectedFulfillmentStartDate dateTime
        expectedQuoteCompletionDate  dateTime
        externalId                   string
        instantSyncQuote             boolean
        note                         Note[]
        productOfferingQualification ProductOfferingQualificationRef[] ->679/CheckProductOfferingQualification
        quoteDate                    dateTime                          created
        quoteItem                    QuoteItem[]                       required
        quoteTotalPrice              QuotePrice[]
        relatedParty                 RelatedPartyRefOrPartyRoleRef[]
        requestedQuoteCompletionDate dateTime
        state                        string
        validFor                     TimePeriod
        version                      string
        """
    ),
)

ALL: Final = (QUOTE,)
