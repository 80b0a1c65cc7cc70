"""TMF679 as tables of facts: what the documents v4.0.0 and v5.0.0 say of each resource."""

from __future__ import annotations

from typing import Final

from farwire.base.tmf import Descriptor, Part, Version, attributes, lifecycle

STATES: Final = lifecycle(
    "state",
    """
    acknowledged        -> rejected, inProgress, cancelled, done, terminatedWithError
    rejected            ->
    inProgress          -> cancelled, done, terminatedWithError
    cancelled           ->
    done                ->
    terminatedWithError ->
    """,
)
"""A task that the server carries out (TMF630)."""

CHECK_PRODUCT_OFFERING_QUALIFICATION: Final = Descriptor(
    type="CheckProductOfferingQualification",
    path="checkProductOfferingQualification",
    v4_type="ProductOfferingQualification",
    v4_path="productOfferingQualification",
    parts={
        "CheckProductOfferingQualificationItem": Part(
            attributes(
                """
                eligibilityResultReason          EligibilityResultReason[]
                alternateProductOfferingProposal AlternateProductOfferingProposal[]
                """
            )
        )
    },
    lifecycle=STATES,
    events=("Create", "AttributeValueChange", "StateChange", "Delete", "InformationRequired"),
    own=attributes(
        """
        category                              CategoryRef                             v4
        channel                               ChannelRef
        checkProductOfferingQualificationItem CheckProductOfferingQualificationItem[] v5
        creationDate                          dateTime                                v5 created
        description                           string
        effectiveQualificationDate            dateTime
        expectedPOQCompletionDate             dateTime                                v4
        expectedQualificationCompletionDate   dateTime                                v5
        expirationDate                        dateTime
        instantSyncQualification              boolean
        note                                  Note[]
        place                                 RelatedPlaceRefOrValue[]                v4
        productOfferingQualificationDate      dateTime                                v4 created
        productOfferingQualificationItem      ProductOfferingQualificationItem[]      v4
        provideAlternative                    boolean
        provideOnlyAvailable                  boolean
        provideResultReason                   boolean                                 v5
        provideUnavailabilityReason           boolean                                 v4
        qualificationResult                   string
        relatedParty                          RelatedPartyOrPartyRole[]
        requestedPOQCompletionDate            dateTime                                v4
        requestedQualificationCompletionDate  dateTime                                v5
        state                                 string
        """
    ),
)

QUERY_PRODUCT_OFFERING_QUALIFICATION: Final = Descriptor(
    type="QueryProductOfferingQualification",
    path="queryProductOfferingQualification",
    versions=frozenset({Version.V5}),
    lifecycle=STATES,
    own=attributes(
        """
        category                             CategoryRef                             v5
        channel                              ChannelRef
        creationDate                         dateTime                                created
        description                          string
        effectiveQualificationDate           dateTime
        expectedQualificationCompletionDate  dateTime
        expirationDate                       dateTime
        instantSyncQualification             boolean
        note                                 Note[]
        qualifiedProductOfferingItem         QueryProductOfferingQualificationItem[]
        relatedParty                         RelatedPartyOrPartyRole[]
        requestedQualificationCompletionDate dateTime
        searchCriteria                       QueryProductOfferingQualificationItem
        state                                string
        """
    ),
)

ALL: Final = (CHECK_PRODUCT_OFFERING_QUALIFICATION, QUERY_PRODUCT_OFFERING_QUALIFICATION)
