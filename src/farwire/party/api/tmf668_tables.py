"""TMF668 as tables of facts: what the document v4.0 says of each resource."""

from __future__ import annotations

from typing import Final

from farwire.base.tmf import Descriptor, attributes

PARTNERSHIP_SPECIFICATION: Final = Descriptor(
    type="PartnershipSpecification",
    path="partnershipSpecification",
    events=("Create", "Change", "Delete"),
    own=attributes(
        """
        description       string
        name              string                         required
        roleSpecification PartnershipRoleSpecification[]
        """
    ),
)

PARTNERSHIP: Final = Descriptor(
    type="Partnership",
    path="partnership",
    events=("Create", "Change", "Delete"),
    own=attributes(
        """
        description   string
        name          string                      required
        partner       Partner[]
        specification PartnershipSpecificationRef required ->668/PartnershipSpecification
        """
    ),
)

ALL: Final = (PARTNERSHIP_SPECIFICATION, PARTNERSHIP)
