"""TMF639 and TMF638 as tables of facts: what the documents v4.0.0 and v5.0.0 say of resources and services."""

from __future__ import annotations

from typing import Final

from farwire.base.tmf import Descriptor, Part, attributes, lifecycle

RESOURCE: Final = Descriptor(
    type="Resource",
    path="resource",
    lifecycle=lifecycle(
        "resourceStatus",
        """
        available -> reserved, standby, alarm, unknown, suspended
        reserved  -> available, standby, alarm, unknown, suspended
        standby   -> available, reserved, alarm, unknown, suspended
        alarm     -> available, reserved, standby, unknown, suspended
        unknown   -> available, reserved, standby, alarm, suspended
        suspended -> available, reserved, standby
        """,
    ),
    own=attributes(
        """
        activationFeature      Feature[]
        administrativeState    string
        alarmStatus            string[]                        v5
        allocationStatus       string                          v5
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
        operationalState       string                          v5
        operationalStateOfV4   string                          v4=operationalState v4
        place                  RelatedPlaceRef[]
        proceduralStatus       string                          v5
        relatedParty           RelatedPartyRefOrPartyRoleRef[]
        resourceCharacteristic Characteristic[]
        resourceOrderItem      RelatedResourceOrderItem[]      v5
        resourceRelationship   ResourceRelationship[]
        resourceSpecification  ResourceSpecificationRef ->catalogue/ResourceSpecification
        resourceStatus         string                          v4
        resourceVersion        string
        startOperatingDate     dateTime
        supportingResource     ResourceRefOrValue[]            v5
        unknownStatus          boolean                         v5
        usageState             string
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
    lifecycle=lifecycle(
        "state",
        """
        feasibilityChecked -> designed, terminated
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
        hasStarted            boolean
        intent                IntentRefOrValue                v5
        isBundle              boolean
        isServiceEnabled      boolean
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
        serviceSpecification  ServiceSpecificationRef         required=v5
        serviceType           string
        startDate             dateTime
        startMode             string
        state                 string                          required
        supportingResource    ResourceRef[]                   ->639/Resource
        supportingService     ServiceRefOrValue[]
        """
    ),
)
