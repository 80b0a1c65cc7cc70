"""TMF622 as tables of facts: what the documents v4.0.0 and v5.0.0 say of each resource."""

from __future__ import annotations

from typing import Final

from farwire.base.tmf import Descriptor, Operation, Part, attributes, lifecycle

PRODUCT: Final = Part(
    attributes(
        """
        id                    string
        name                  string
        place                 RelatedPlaceRefOrValue[]
        productCharacteristic Characteristic[]
        productPrice          ProductPrice[]
        status                string
        statusReason          string
        """
    )
)
PRICE: Final = Part(
    attributes(
        """
        description          string
        price                Price
        productOfferingPrice ProductOfferingPriceRef
        validFor             TimePeriod
        """
    )
)
AMOUNT: Final = Part(
    attributes(
        """
        dutyFreeAmount    Money
        percentage        number
        taxIncludedAmount Money
        """
    )
)
RELATION: Final = Part(
    attributes(
        """
        id               string
        relationshipType string
        """
    )
)
ITEM: Final = Part(
    attributes(
        """
        id                           string
        action                       string
        billingAccount               BillingAccountRef
        product                      ProductRefOrValue
        productOffering              ProductOfferingRef
        productOrderItemRelationship OrderItemRelationship[]
        quantity                     integer
        state                        string
        """
    )
)

ORDER: Final = Descriptor(
    type="ProductOrder",
    path="productOrder",
    parts={
        "ProductOrderItem": ITEM,
        "ProductRefOrValue": PRODUCT,
        "ProductPrice": PRICE,
        "Price": AMOUNT,
        "OrderItemRelationship": RELATION,
    },
    operations=frozenset(Operation) - {Operation.DELETE, Operation.PUT},
    events=("Create", "AttributeValueChange", "StateChange"),
    lifecycle=lifecycle(
        "state",
        """
        acknowledged        -> held, cancelled
        pending             -> held, cancelled
        held                -> acknowledged, cancelled
        inProgress          -> cancelled
        pendingCancellation ->
        rejected            ->
        cancelled           ->
        completed           ->
        partial             ->
        failed              ->
        """,
    ),
    own=attributes(
        """
        agreement                    AgreementRef[]
        billingAccount               BillingAccountRef                ->666/BillingAccount
        cancellationDate             dateTime                         server
        cancellationReason           string
        category                     string
        channel                      RelatedChannel[]
        completionDate               dateTime                         server
        creationDate                 dateTime                         v5 server
        description                  string
        expectedCompletionDate       dateTime                         server
        externalId                   ExternalIdentifier[]             v5
        externalIdText               string                           v4=externalId v4
        note                         Note[]
        notificationContact          string
        orderDate                    dateTime                         v4 server
        orderRelationship            OrderRelationship[]              v5
        orderTotalPrice              OrderPrice[]                     server
        payment                      PaymentRef[]
        priority                     string
        productOfferingQualification ProductOfferingQualificationRef[]
        productOrderErrorMessage     ProductOrderErrorMessage[]       v5 server
        productOrderItem             ProductOrderItem[]               required
        productOrderJeopardyAlert    ProductOrderJeopardyAlert[]      v5 server
        productOrderMilestone        ProductOrderMilestone[]          v5
        quote                        QuoteRef[] ->648/Quote
        relatedParty                 RelatedPartyRefOrPartyRoleRef[]
        requestedCompletionDate      dateTime
        requestedInitialState        string                           v5
        requestedStartDate           dateTime
        state                        string
        """
    ),
)
"""The states that may follow are those for which a client may ask; the work on an order makes the others."""

CANCEL: Final = Descriptor(
    type="CancelProductOrder",
    path="cancelProductOrder",
    operations=frozenset({Operation.LIST, Operation.GET, Operation.CREATE}),
    events=("Create", "StateChange"),
    lifecycle=lifecycle(
        "state",
        """
        acknowledged        -> inProgress, done, terminatedWithError
        inProgress          -> done, terminatedWithError
        done                ->
        terminatedWithError ->
        """,
        any_on_create=False,
    ),
    own=attributes(
        """
        cancellationReason        string
        creationDate              dateTime        v5 server
        effectiveCancellationDate dateTime        server
        productOrder              ProductOrderRef required ->622/ProductOrder
        requestedCancellationDate dateTime
        state                     string
        """
    ),
)
