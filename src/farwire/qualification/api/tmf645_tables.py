"""TMF645 as tables of facts: what the document v4.0.0 says of each resource."""

from __future__ import annotations

from typing import Final

from farwire.base.tmf import Descriptor, attributes, lifecycle

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

CHECK_SERVICE_QUALIFICATION: Final = Descriptor(
    type="CheckServiceQualification",
    path="checkServiceQualification",
    lifecycle=TASK_STATES,
    events=("Create", "AttributeValueChange", "StateChange", "Delete", "InformationRequired"),
    own=attributes(
        """
        checkServiceQualificationDate dateTime                        created
        description                   string
        effectiveQualificationDate    dateTime
        estimatedResponseDate         dateTime
        expectedQualificationDate     dateTime
        expirationDate                dateTime
        externalId                    string
        instantSyncQualification      boolean
        provideAlternative            boolean
        provideUnavailabilityReason   boolean
        qualificationResult           string
        relatedParty                  RelatedPartyRefOrPartyRoleRef[]
        serviceQualificationItem      CheckServiceQualificationItem[] required
        state                         string
        """
    ),
)

QUERY_SERVICE_QUALIFICATION: Final = Descriptor(
    type="QueryServiceQualification",
    path="queryServiceQualification",
    lifecycle=TASK_STATES,
    events=("Create", "StateChange", "Delete"),
    own=attributes(
        """
        description                   string
        effectiveQualificationDate    dateTime
        estimatedResponseDate         dateTime
        expectedQualificationDate     dateTime
        expirationDate                dateTime
        externalId                    string
        instantSyncQualification      boolean
        queryServiceQualificationDate dateTime                        created
        relatedParty                  RelatedPartyRefOrPartyRoleRef[]
        searchCriteria                ServiceQualificationItem        required
        serviceQualificationItem      ServiceQualificationItem[]
        state                         string
        """
    ),
)

ALL: Final = (CHECK_SERVICE_QUALIFICATION, QUERY_SERVICE_QUALIFICATION)
