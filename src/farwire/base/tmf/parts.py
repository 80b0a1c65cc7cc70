"""Objects that many resources hold: what is checked in them, and how v4 wrote them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from farwire.base.tmf.descriptor import Attribute, Descriptor, Part, attributes

PERIOD: Final = Part(
    attributes(
        """
        startDateTime dateTime
        endDateTime   dateTime
        """
    ),
    typed=False,
)
REFERENCE: Final = Part(
    attributes(
        """
        id            string
        href          string
        name          string
        version       string
        @referredType string
        """
    )
)
"""Every type whose name ends with Ref."""
_PARTY: Final = Part(wraps="partyOrPartyRole", wrapped_type="PartyRef", v4_type="RelatedParty")

PARTS: Final[Mapping[str, Part]] = MappingProxyType(
    {
        "TimePeriod": PERIOD,
        "Money": Part(attributes("unit string\nvalue number"), typed=False),
        "Quantity": Part(attributes("amount number\nunits string"), typed=False),
        "Duration": Part(attributes("amount integer\nunits string"), typed=False),
        "Characteristic": Part(attributes("id string\nname string\nvalueType string\nvalue any")),
        "CharacteristicSpecification": Part(
            attributes(
                """
                name                            string
                valueType                       string
                configurable                    boolean
                description                     string
                extensible                      boolean
                isUnique                        boolean
                maxCardinality                  integer
                minCardinality                  integer
                validFor                        TimePeriod
                """
            )
        ),
        "Note": Part(attributes("id string\nauthor string\ndate dateTime\ntext string")),
        "RelatedPartyRefOrPartyRoleRef": _PARTY,
        "RelatedPartyOrPartyRole": _PARTY,
        "RelatedPlaceRefOrValue": Part(
            wraps="place", wrapped_type="PlaceRef", v4_type="RelatedPlaceRefOrValue"
        ),
        "RelatedPlaceRef": Part(wraps="place", wrapped_type="PlaceRef", v4_type="RelatedPlaceRef"),
        "RelatedChannel": Part(wraps="channel", wrapped_type="ChannelRef", v4_type="RelatedChannel"),
    }
)
WRAPPED: Final = ("partyOrPartyRole", "place", "channel", "entity")
"""Names under which v5 has a thing beside its role."""


def part_of(descriptor: Descriptor, attribute: Attribute) -> Part | None:
    """Return what is known of the object that ``attribute`` holds, or None for what is not looked into."""
    found = descriptor.parts.get(attribute.type) or PARTS.get(attribute.type)
    if found is None and attribute.type.endswith("Ref"):
        return REFERENCE
    return found
