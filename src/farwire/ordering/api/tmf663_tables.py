"""TMF663 as tables of facts: what the documents v4.0.0 and v5.0.0 say of each resource."""

from __future__ import annotations

from typing import Final

from farwire.base.tmf import Descriptor, attributes

SHOPPING_CART: Final = Descriptor(
    type="ShoppingCart",
    path="shoppingCart",
    events=("Create", "AttributeValueChange", "Delete"),
    own=attributes(
        """
        cartItem       CartItem[]
        cartTotalPrice CartPrice[]               fixed
        contactMedium  ContactMedium[]
        creationDate   dateTime                  v5 created
        lastUpdate     dateTime                  v5 changed
        relatedParty   RelatedPartyOrPartyRole[]
        validFor       TimePeriod
        """
    ),
)

ALL: Final = (SHOPPING_CART,)
