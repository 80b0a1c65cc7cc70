"""TMF637 as a table of facts: what the documents v4.0.0 and v5.0.0 say of a product."""

from __future__ import annotations

from typing import Any, Final

from farwire.base.tmf import Descriptor, Part, attributes, lifecycle


def relation_to_v4(item: dict[str, Any]) -> dict[str, Any]:
    """Return v4's relationship, which has the other product inside."""
    kind = {name: item[name] for name in ("relationshipType",) if name in item}
    rest = {name: value for name, value in item.items() if name not in ("relationshipType", "@type")}
    return {**kind, "product": rest}


def relation_from_v4(item: dict[str, Any]) -> dict[str, Any]:
    """Return v5's relationship."""
    inner = item.get("product")
    kind = {name: item[name] for name in ("relationshipType",) if name in item}
    return {**(inner if isinstance(inner, dict) else {}), **kind}


PARTS: Final = {
    "ProductPrice": Part(
        attributes(
            """
            name                  string
            priceType             string
            recurringChargePeriod string
            unitOfMeasure         string
            price                 Price
            priceAlteration       PriceAlteration[]      v4=productPriceAlteration
            productOfferingPrice  ProductOfferingPriceRef
            """
        )
    ),
    "RelatedOrderItem": Part(
        attributes(
            """
            orderId     string v4=productOrderId
            orderHref   string v4=productOrderHref
            orderItemId string
            """
        )
    ),
    "ProductRelationship": Part(to_v4=relation_to_v4, from_v4=relation_from_v4),
    "AgreementItemRef": Part(attributes("agreementId string v4=id")),
}
PRODUCT: Final = Descriptor(
    type="Product",
    path="product",
    parts=PARTS,
    lifecycle=lifecycle(
        "status",
        """
        active           -> suspended, terminated, pendingTerminate
        created          -> active, terminated
        pendingActive    -> active, terminated
        suspended        -> active, terminated, pendingTerminate
        pendingTerminate -> terminated
        terminated       ->
        cancelled        ->
        aborted          ->
        """,
    ),
    own=attributes(
        """
        agreement             AgreementItemRef[]        v4
        agreementItem         AgreementItemRef[]        v5
        billingAccount        BillingAccountRef         ->666/BillingAccount
        creationDate          dateTime                  v5
        description           string
        intent                IntentRefOrValue          v5
        isBundle              boolean
        isCustomerVisible     boolean
        name                  string
        orderDate             dateTime
        place                 RelatedPlaceRefOrValue[]
        product               ProductRefOrValue[]
        productCharacteristic Characteristic[]
        productOffering       ProductOfferingRef        ->620/ProductOffering
        productOrderItem      RelatedOrderItem[]
        productPrice          ProductPrice[]
        productRelationship   ProductRelationship[]
        productSerialNumber   string
        productSpecification  ProductSpecificationRef
        productTerm           ProductTerm[]
        realizingResource     ResourceRef[]
        realizingService      ServiceRef[]
        relatedParty          RelatedPartyOrPartyRole[]
        startDate             dateTime
        status                string                    required=v4
        terminationDate       dateTime
        """
    ),
)
