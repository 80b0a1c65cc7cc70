"""TMF677 as tables of facts: what the documents v4.0.0 and v5.1.0 say of each resource."""

from __future__ import annotations

from typing import Final

from farwire.base.tmf import Descriptor, Operation, Part, Version, attributes, lifecycle

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

COUNTER: Final = Part(
    attributes(
        """
        consumptionPeriod TimePeriod
        counterType       string
        level             string
        user              RelatedPartyRefOrPartyRoleRef
        value             Quantity
        valueName         string
        """
    )
)
_REPORT: Final = """
    description     string
    logicalResource LogicalResourceRef[]
    name            string
    partyAccount    PartyAccountRef[]
    product         UsageConsumptionProductRef[]
    relatedParty    RelatedPartyRefOrPartyRoleRef[]
    validPeriod     TimePeriod
"""
PARTS: Final = {
    "BucketRefOrValue": Part(
        attributes(
            """
            id                 string
            bucketCounter      BucketCounter[]
            creationDate       dateTime
            description        string
            isShared           boolean
            logicalResource    LogicalResourceRef[]
            name               string
            partyAccount       PartyAccountRef
            product            ProductRef[]
            relatedParty       RelatedPartyRefOrPartyRoleRef[]
            remainingValue     Quantity
            remainingValueName string
            reserveBalance     ReserveBalanceRef[]
            reservedValue      Quantity
            status             string
            usageType          string
            validFor           TimePeriod
            """
        )
    ),
    "BucketCounter": COUNTER,
    "ConsumptionSummary": COUNTER,
    "UsageConsumptionProductRef": Part(
        attributes("id string\nname string\nconsumptionSummary ConsumptionSummary[]")
    ),
    "UsageConsumptionReport": Part(
        attributes("bucket BucketRefOrValue[] v4=bucketRefOrValue\n" + _REPORT.strip())
    ),
}
"""What a report holds. v4 has its buckets under another name."""

QUERY_USAGE_CONSUMPTION: Final = Descriptor(
    type="QueryUsageConsumption",
    path="queryUsageConsumption",
    operations=frozenset({Operation.LIST, Operation.GET, Operation.CREATE, Operation.DELETE}),
    lifecycle=STATES,
    events=("Create", "StateChange", "Delete"),
    parts=PARTS,
    own=attributes(
        """
        creationDate     dateTime                        v4=queryUsageConsumptionDate created
        errorMessage     ErrorMessage[]                  v5
        partyAccount     PartyAccountRef[] ->charging/PartyAccount
        relatedParty     RelatedPartyRefOrPartyRoleRef[]
        searchCriteria   UsageConsumptionReport
        state            string                          v5
        usageConsumption UsageConsumptionReport[]
        """
    ),
)

USAGE_CONSUMPTION_REPORT: Final = Descriptor(
    type="UsageConsumptionReport",
    path="usageConsumptionReport",
    versions=frozenset({Version.V5}),
    operations=frozenset({Operation.LIST, Operation.GET, Operation.CREATE, Operation.DELETE}),
    events=("Create", "Delete"),
    parts=PARTS,
    own=attributes(
        """
        bucket          BucketRefOrValue[]
        creationDate    dateTime                        created
        description     string
        effectiveDate   dateTime                        v5
        lastUpdate      dateTime                        changed
        logicalResource LogicalResourceRef[]
        name            string
        partyAccount    PartyAccountRef[] ->charging/PartyAccount
        product         UsageConsumptionProductRef[]
        relatedParty    RelatedPartyRefOrPartyRoleRef[]
        validPeriod     TimePeriod
        """
    ),
)

ALL: Final = (QUERY_USAGE_CONSUMPTION, USAGE_CONSUMPTION_REPORT)
