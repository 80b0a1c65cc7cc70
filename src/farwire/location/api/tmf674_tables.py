"""TMF674 as tables of facts: what the document v4.0.0 says of each resource."""

from __future__ import annotations

from typing import Final

from farwire.base.tmf import Descriptor, attributes

GEOGRAPHIC_SITE: Final = Descriptor(
    type="GeographicSite",
    path="geographicSite",
    events=("Create", "AttributeValueChange", "StatusChange", "Delete"),
    own=attributes(
        """
        calendar         CalendarPeriod[]
        code             string
        description      string
        name             string
        place            PlaceRefOrValue[]
        relatedParty     RelatedPartyRefOrPartyRoleRef[]
        siteRelationship GeographicSiteRelationship[]
        status           string
        """
    ),
)

ALL: Final = (GEOGRAPHIC_SITE,)
