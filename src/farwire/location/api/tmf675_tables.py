"""TMF675 as tables of facts: what the document v4.0.0 says of each resource."""

from __future__ import annotations

from typing import Final

from farwire.base.tmf import Descriptor, attributes

GEOGRAPHIC_LOCATION: Final = Descriptor(
    type="GeographicLocation",
    path="geographicLocation",
    events=("Create", "AttributeValueChange", "Delete"),
    subtypes=(
        "GeoJsonPoint",
        "GeoJsonMultiPoint",
        "GeoJsonLineString",
        "GeoJsonMultiLineString",
        "GeoJsonPolygon",
    ),
    own=attributes(
        """
        bbox number[] fixed
        name string
        """
    ),
)

ALL: Final = (GEOGRAPHIC_LOCATION,)
