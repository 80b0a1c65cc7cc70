"""TMF696 as tables of facts: what the document v4.0.0 says of each resource."""

from __future__ import annotations

from typing import Final

from farwire.base.tmf import Descriptor, Operation, attributes

PRODUCT_OFFERING_RISK_ASSESSMENT: Final = Descriptor(
    type="ProductOfferingRiskAssessment",
    path="productOfferingRiskAssessment",
    operations=frozenset({Operation.LIST, Operation.GET, Operation.CREATE, Operation.DELETE}),
    events=("Create", "StatusChange", "Delete"),
    own=attributes(
        """
        productOffering ProductOfferingRef required ->620/ProductOffering
        """
    ),
)

PARTY_ROLE_RISK_ASSESSMENT: Final = Descriptor(
    type="PartyRoleRiskAssessment",
    path="partyRoleRiskAssessment",
    operations=frozenset({Operation.LIST, Operation.GET, Operation.CREATE, Operation.DELETE}),
    events=("Create", "StatusChange", "Delete"),
    own=attributes(
        """
        partyRole RelatedPartyRefOrPartyRoleRef required
        """
    ),
)

PARTY_ROLE_PRODUCT_OFFERING_RISK_ASSESSMENT: Final = Descriptor(
    type="PartyRoleProductOfferingRiskAssessment",
    path="partyRoleProductOfferingRiskAssessment",
    operations=frozenset({Operation.LIST, Operation.GET, Operation.CREATE, Operation.DELETE}),
    events=("Create", "StatusChange", "Delete"),
    own=attributes(
        """
        characteristic       Characteristic[]
        partyRole            RelatedPartyRefOrPartyRoleRef required
        place                RelatedPlace
        productOffering      ProductOfferingRef            required ->620/ProductOffering
        riskAssessmentResult RiskAssessmentResult
        status               string
        """
    ),
)

SHOPPING_CART_RISK_ASSESSMENT: Final = Descriptor(
    type="ShoppingCartRiskAssessment",
    path="shoppingCartRiskAssessment",
    operations=frozenset({Operation.LIST, Operation.GET, Operation.CREATE, Operation.DELETE}),
    events=("Create", "StatusChange", "Delete"),
    own=attributes(
        """
        characteristic       Characteristic[]
        place                RelatedPlace
        riskAssessmentResult RiskAssessmentResult
        shoppingCart         ShoppingCartRef      required ->663/ShoppingCart
        status               string
        """
    ),
)

PRODUCT_ORDER_RISK_ASSESSMENT: Final = Descriptor(
    type="ProductOrderRiskAssessment",
    path="productOrderRiskAssessment",
    operations=frozenset({Operation.LIST, Operation.GET, Operation.CREATE, Operation.DELETE}),
    events=("Create", "StatusChange", "Delete"),
    own=attributes(
        """
        characteristic       Characteristic[]
        place                RelatedPlace
        productOrder         ProductOrderRef      required ->622/ProductOrder
        riskAssessmentResult RiskAssessmentResult
        status               string
        """
    ),
)

ALL: Final = (
    PRODUCT_OFFERING_RISK_ASSESSMENT,
    PARTY_ROLE_RISK_ASSESSMENT,
    PARTY_ROLE_PRODUCT_OFFERING_RISK_ASSESSMENT,
    SHOPPING_CART_RISK_ASSESSMENT,
    PRODUCT_ORDER_RISK_ASSESSMENT,
)
