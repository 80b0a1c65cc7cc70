"""TMF640 as tables of facts: what the document v4.0.0 says of each resource."""

from __future__ import annotations

from typing import Final

from farwire.base.tmf import Descriptor, Operation, attributes, lifecycle

READ: Final = frozenset({Operation.LIST, Operation.GET})

SERVICE_STATES: Final = lifecycle(
    "state",
    """
    feasibilityChecked -> designed, reserved, inactive, active, terminated
    designed           -> reserved, inactive, active, terminated
    reserved           -> designed, inactive, active, terminated
    inactive           -> active, designed, terminated
    active             -> inactive, terminated
    terminated         ->
    """,
)
"""Any state may be recorded; terminated is the end."""

SERVICE: Final = Descriptor(
    type="Service",
    path="service",
    lifecycle=SERVICE_STATES,
    own=attributes(
        """
        category              string
        description           string
        endDate               dateTime
        feature               Feature[]
        hasStarted            boolean
        isBundle              boolean                         default=false
        isServiceEnabled      boolean
        isStateful            boolean
        name                  string
        note                  Note[]
        place                 RelatedPlaceRefOrValue[]
        relatedEntity         RelatedEntityRefOrValue[]
        relatedParty          RelatedPartyRefOrPartyRoleRef[]
        serviceCharacteristic Characteristic[]
        serviceDate           string                          fixed
        serviceOrderItem      RelatedServiceOrderItem[]
        serviceRelationship   ServiceRelationship[]
        serviceSpecification  ServiceSpecificationRef         required ->633/ServiceSpecification
        serviceType           string
        startDate             dateTime
        startMode             string
        state                 string                          required
        supportingResource    ResourceRef[]
        supportingService     ServiceRefOrValue[]             ->640/Service
        """
    ),
)

MONITOR: Final = Descriptor(
    type="Monitor",
    path="monitor",
    operations=READ,
    own=attributes(
        """
        request    Request
        response   Response
        sourceHref string
        state      string
        """
    ),
)

ALL: Final = (SERVICE, MONITOR)
