"""TMF653 as tables of facts: what the document v4.2.0 says of each resource."""

from __future__ import annotations

from typing import Final

from farwire.base.tmf import Descriptor, attributes, lifecycle

TEST_STATES: Final = lifecycle(
    "state",
    """
    acknowledged -> rejected, pending, inProgress, cancelled, failed
    rejected     ->
    pending      -> inProgress, cancelled, failed
    inProgress   -> pending, completed, cancelled, failed
    cancelled    ->
    completed    ->
    failed       ->
    """,
)
"""ExecutionStateType of the document."""

SERVICE_TEST: Final = Descriptor(
    type="ServiceTest",
    path="serviceTest",
    lifecycle=TEST_STATES,
    own=attributes(
        """
        characteristic    Characteristic[]
        description       string
        endDateTime       dateTime
        mode              string
        name              string                          required
        relatedParty      RelatedPartyRefOrPartyRoleRef[]
        relatedService    ServiceRef                      required
        startDateTime     dateTime
        state             string
        testMeasure       TestMeasure[]
        testSpecification ServiceTestSpecificationRef     required ->653/ServiceTestSpecification
        validFor          TimePeriod
        """
    ),
)

SERVICE_TEST_SPECIFICATION: Final = Descriptor(
    type="ServiceTestSpecification",
    path="serviceTestSpecification",
    events=("Create", "AttributeValueChange", "Delete"),
    own=attributes(
        """
        attachment                  AttachmentRefOrValue[]
        constraint                  ConstraintRef[]
        description                 string
        entitySpecRelationship      EntitySpecificationRelationship[]
        isBundle                    boolean                           default=false
        lastUpdate                  dateTime                          changed
        lifecycleStatus             string
        name                        string                            required
        relatedParty                RelatedPartyRefOrPartyRoleRef[]
        relatedServiceSpecification ServiceSpecificationRef[]         required ->633/ServiceSpecification
        serviceTestSpecRelationship ServiceTestSpecRelationship[]
        specCharacteristic          CharacteristicSpecification[]
        targetEntitySchema          TargetEntitySchema
        testMeasureDefinition       TestMeasureDefinition[]
        validFor                    TimePeriod                        fixed
        version                     string
        """
    ),
)

ALL: Final = (SERVICE_TEST, SERVICE_TEST_SPECIFICATION)
