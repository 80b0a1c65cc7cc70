"""TMF673 as tables of facts: what the document v4.1.0 says of each resource."""

from __future__ import annotations

from typing import Final

from farwire.base.tmf import Descriptor, Inside, Operation, attributes, lifecycle

TASK_STATES: Final = lifecycle(
    "state",
    """
    accepted            -> inProgress, done, terminatedWithError
    inProgress          -> done, terminatedWithError
    done                ->
    terminatedWithError ->
    """,
)
"""A task that the server carries out."""

GEOGRAPHIC_ADDRESS_VALIDATION: Final = Descriptor(
    type="GeographicAddressValidation",
    path="geographicAddressValidation",
    operations=frozenset({Operation.LIST, Operation.GET, Operation.CREATE, Operation.PATCH}),
    lifecycle=TASK_STATES,
    events=("Create", "AttributeValueChange", "StateChange"),
    own=attributes(
        """
        alternateGeographicAddress GeographicAddress[]
        provideAlternative         boolean             required
        state                      string
        submittedGeographicAddress GeographicAddress   required
        validGeographicAddress     GeographicAddress
        validationDate             dateTime            created
        validationResult           string
        """
    ),
)

GEOGRAPHIC_ADDRESS: Final = Descriptor(
    type="GeographicAddress",
    path="geographicAddress",
    events=("Create", "AttributeValueChange", "Delete"),
    own=attributes(
        """
        city                  string
        country               string
        countryCode           StandardIdentifier[]
        externalIdentifier    ExternalIdentifier[]
        geographicAddressType string
        geographicLocation    GeographicLocationRefOrValue
        geographicSubAddress  GeographicSubAddress[]
        locality              string
        name                  string
        postcode              string
        stateOrProvince       string
        streetName            string
        streetNr              string
        streetNrLast          string
        streetNrLastSuffix    string
        streetNrSuffix        string
        streetSuffix          string
        streetType            string
        """
    ),
)

GEOGRAPHIC_SUB_ADDRESS: Final = Descriptor(
    type="GeographicSubAddress",
    path="geographicSubAddress",
    inside=Inside("geographicAddress", "GeographicAddress"),
    operations=frozenset({Operation.LIST, Operation.GET}),
    events=(),
    own=attributes(
        """
        buildingName        string
        levelNumber         string
        levelType           string
        name                string
        privateStreetName   string
        privateStreetNumber string
        subAddressType      string
        subUnit             GeographicSubAddressUnit[]
        subUnitNumber       string
        subUnitType         string
        """
    ),
)
"""A part of an address, which is written there."""
