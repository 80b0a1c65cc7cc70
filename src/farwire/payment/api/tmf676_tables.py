"""TMF676 and TMF670 as tables of facts: what the documents v4.0.0 say of payments, refunds and ways to pay."""

from __future__ import annotations

from typing import Final

from farwire.base.tmf import Descriptor, Operation, Part, Version, attributes

V4: Final = frozenset({Version.V4})
MADE: Final = frozenset({Operation.LIST, Operation.GET, Operation.CREATE})
PARTS: Final = {
    "PaymentItem": Part(attributes("id string\namount Money\nitem EntityRef\ntotalAmount Money")),
    "PaymentMethodRefOrValue": Part(attributes("id string\nname string\ntoken string\nwalletId string")),
}
PAYMENT: Final = Descriptor(
    type="Payment",
    path="payment",
    operations=MADE,
    events=("Create", "StateChange"),
    versions=V4,
    parts=PARTS,
    own=attributes(
        """
        account           AccountRef              required ->666/BillingAccount
        amount            Money
        authorizationCode string
        channel           ChannelRef
        correlatorId      string
        description       string
        name              string
        payer             RelatedParty
        paymentDate       dateTime                created
        paymentItem       PaymentItem[]
        paymentMethod     PaymentMethodRefOrValue required
        status            string                  server
        statusDate        dateTime                server
        taxAmount         Money
        totalAmount       Money                   required
        """
    ),
)
REFUND: Final = Descriptor(
    type="Refund",
    path="refund",
    operations=MADE,
    events=("StateChange",),
    versions=V4,
    parts=PARTS,
    own=attributes(
        """
        account           AccountRef              required ->666/BillingAccount
        amount            Money
        authorizationCode string
        channel           ChannelRef
        correlatorId      string                  server
        description       string
        name              string
        payment           PaymentRef              ->676/Payment
        paymentMethod     PaymentMethodRefOrValue required
        refundDate        dateTime                server
        requestor         RelatedParty
        status            string                  server
        statusDate        dateTime                server
        taxAmount         Money
        totalAmount       Money                   required
        """
    ),
)
METHOD: Final = Descriptor(
    type="PaymentMethod",
    path="paymentMethod",
    operations=MADE | {Operation.DELETE},
    events=(),
    versions=V4,
    subtypes=("TokenizedCard", "DigitalWallet", "BankAccountDebit"),
    own=attributes(
        """
        account           AccountRef[] ->666/BillingAccount
        authorizationCode string
        description       string
        isPreferred       boolean      default=true
        name              string       required
        relatedParty      RelatedParty
        relatedPlace      RelatedPlace
        status            string       server
        statusDate        dateTime     server
        statusReason      string       server
        validFor          TimePeriod
        """
    ),
)
