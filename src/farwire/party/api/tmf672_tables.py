"""TMF672 as tables of facts: what the documents v4.0.0 and v5.0.0 say of each resource."""

from __future__ import annotations

from typing import Final

from farwire.base.tmf import Descriptor, Operation, Version, attributes

PERMISSION: Final = Descriptor(
    type="Permission",
    path="permission",
    operations=frozenset({Operation.LIST, Operation.GET, Operation.CREATE, Operation.PATCH}),
    own=attributes(
        """
        assetUserRole AssetUserRole[]
        creationDate  dateTime                      created
        description   string
        granter       RelatedPartyRefOrPartyRoleRef
        privilege     Privilege[]
        user          RelatedPartyRefOrPartyRoleRef required
        validFor      TimePeriod                    required
        """
    ),
)

USER_ROLE: Final = Descriptor(
    type="UserRole",
    path="userRole",
    operations=frozenset({Operation.LIST, Operation.GET, Operation.CREATE, Operation.PATCH}),
    own=attributes(
        """
        entitlement     Entitlement[] required
        involvementRole string
        """
    ),
)

ASSET_GROUP: Final = Descriptor(
    type="AssetGroup",
    operations=frozenset(Operation),
    path="assetGroup",
    versions=frozenset({Version.V5}),
    events=(),
    own=attributes(
        """
        """
    ),
)

JSONPATH_ASSET_GROUP: Final = Descriptor(
    type="JSONPathAssetGroup",
    operations=frozenset(Operation),
    path="jsonPathAssetGroup",
    versions=frozenset({Version.V5}),
    events=(),
    own=attributes(
        """
        JSONPath   string
        entityType string
        """
    ),
)

FILTER_ASSET_GROUP: Final = Descriptor(
    type="FilterAssetGroup",
    operations=frozenset(Operation),
    path="filterAssetGroup",
    versions=frozenset({Version.V5}),
    events=(),
    own=attributes(
        """
        entityType string
        filter     string
        """
    ),
)

CHECK_PERMISSION: Final = Descriptor(
    type="CheckPermission",
    path="checkPermission",
    versions=frozenset({Version.V5}),
    operations=frozenset({Operation.CREATE}),
    events=(),
    own=attributes(
        """
        characteristic Characteristic[]
        entitlement    Entitlement      required
        entity         EntityRefOrValue
        partyRole      PartyRoleRef ->question/PartyRole
        user           UserinfoRef
        """
    ),
)

ALL: Final = (PERMISSION, USER_ROLE, ASSET_GROUP, JSONPATH_ASSET_GROUP, FILTER_ASSET_GROUP)
"""What is kept as documents."""
