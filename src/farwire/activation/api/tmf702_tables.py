"""TMF702 as tables of facts: what the document v4.0.0 says of each resource."""

from __future__ import annotations

from typing import Final

from farwire.base.tmf import Descriptor, Operation, attributes

READ: Final = frozenset({Operation.LIST, Operation.GET})

RESOURCE: Final = Descriptor(
    type="Resource",
    path="resource",
    own=attributes(
        """
        activationFeature      Feature[]
        administrativeState    string
        attachment             AttachmentRefOrValue[]
        category               string
        description            string
        endOperatingDate       dateTime
        name                   string
        note                   Note[]
        operationalState       string
        place                  RelatedPlaceRefOrValue
        relatedParty           RelatedPartyRefOrPartyRoleRef[]
        resourceCharacteristic Characteristic[]
        resourceRelationship   ResourceRelationship[]
        resourceSpecification  ResourceSpecificationRef        ->634/ResourceSpecification
        resourceStatus         string
        resourceVersion        string
        startOperatingDate     dateTime
        usageState             string
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

ALL: Final = (RESOURCE, MONITOR)
