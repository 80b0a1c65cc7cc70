"""TMF639 and TMF638 as tables of facts: what the documents v4.0.0 and v5.0.0 say of resources and services."""

from __future__ import annotations

from typing import Final

from farwire.base.tmf import Descriptor, Operation, Part, attributes, lifecycle

RESOURCE: Final = Descriptor(
    type="Resource",
    path="resource",
    operations=frozenset(Operation) - {Operation.DELETE},
    events=("StateChange",),
    lifecycle=lifecycle(
        "resourceStatus",
        """
        available -> suspended
        reserved  ->
        standby   ->
        suspended ->
        """,
        any_on_create=False,
    ),
    own=attributes(
        """
        activationFeature      Feature[]
        administrativeState    string                          server
        alarmStatus            string[]                        v5
        allocationStatus       string                          v5 server
        attachment             AttachmentRef[]
        availabilityStatus     string                          v5
        category               string
        controlStatus          string                          v5
        creationDate           dateTime                        v5
        description            string
        endOperatingDate       dateTime
        externalIdentifier     ExternalIdentifier[]            v5
        intent                 IntentRef                       v5
        lifecycleState         string                          v5
        name                   string                          required=v4
        note                   Note[]
        operationalState       string                          v5 server
        operationalStateOfV4   string                          v4=operationalState v4 server
        place                  RelatedPlaceRef[]
        proceduralStatus       string                          v5
        relatedParty           RelatedPartyRefOrPartyRoleRef[]
        resourceCharacteristic Characteristic[]
        resourceOrderItem      RelatedResourceOrderItem[]      v5
        resourceRelationship   ResourceRelationship[]
        resourceSpecification  ResourceSpecificationRef
        resourceStatus         string                          v4
        resourceVersion        string
        startOperatingDate     dateTime
        supportingResource     ResourceRefOrValue[]            v5
        unknownStatus          boolean                         v5
        usageState             string                          server
        validFor               TimePeriod                      v5
        """
    ),
)

SERVICE: Final = Descriptor(
    type="Service",
    path="service",
    parts={
        "RelatedEntityRefOrValue": Part(
            wraps="entity", wrapped_type="EntityRef", v4_type="RelatedEntityRefOrValue"
        )
    },
    operations=frozenset(Operation) - {Operation.DELETE},
    events=(),
    lifecycle=lifecycle(
        "state",
        """
        designed           -> reserved, inactive, active, terminated
        reserved           -> inactive, active, terminated
        inactive           -> active, terminated
        active             -> inactive, suspended, terminated
        suspended          -> active, terminated
        terminated         ->
        """,
    ),
    own=attributes(
        """
        category              string
        description           string
        endDate               dateTime
        externalIdentifier    ExternalIdentifier[]            v5
        feature               Feature[]
        hasStarted            boolean                         server
        intent                IntentRefOrValue                v5
        isBundle              boolean
        isServiceEnabled      boolean                         server
        isStateful            boolean
        name                  string
        note                  Note[]
        operatingStatus       string                          v5
        place                 RelatedPlaceRefOrValue[]
        relatedEntity         RelatedEntityRefOrValue[]
        relatedParty          RelatedPartyRefOrPartyRoleRef[]
        serviceCharacteristic Characteristic[]
        serviceDate           string
        serviceOrderItem      RelatedServiceOrderItem[]
        serviceRelationship   ServiceRelationship[]
        serviceSpecification  ServiceSpecificationRef         required
        serviceType           string
        startDate             dateTime
        startMode             string
        state                 string                          required
        supportingResource    ResourceRef[]
        supportingService     ServiceRefOrValue[]
        """
    ),
)
