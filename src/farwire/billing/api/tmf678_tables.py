"""TMF678 as tables of facts: what the documents v4.0.0 and v5.0.0 say of each resource."""

from __future__ import annotations

from typing import Final

from farwire.base.tmf import Descriptor, Operation, Version, attributes, lifecycle

LISTED: Final = frozenset({Operation.LIST, Operation.GET})

BILL: Final = Descriptor(
    type="CustomerBill",
    path="customerBill",
    operations=LISTED | {Operation.PATCH},
    events=("Create", "StateChange"),
    lifecycle=lifecycle(
        "state",
        """
        new           ->
        onHold        ->
        validated     -> sent
        sent          ->
        partiallyPaid ->
        settled       ->
        """,
    ),
    own=attributes(
        """
        amountDue         Money                           server
        appliedPayment    AppliedPayment[]                server
        billCycle         BillCycleRef                    v5 server
        billDate          dateTime                        server
        billDocument      AttachmentRefOrValue[]          server
        billNo            string                          server
        billingAccount    BillingAccountRef               server
        billingPeriod     TimePeriod                      server
        category          string                          server
        financialAccount  FinancialAccountRef             server
        lastUpdate        dateTime                        server
        nextBillDate      dateTime                        server
        paymentDueDate    dateTime                        server
        paymentMethod     PaymentMethodRef                server
        relatedParty      RelatedPartyRefOrPartyRoleRef[] server
        remainingAmount   Money                           server
        runType           string                          server
        state             string
        taxExcludedAmount Money                           server
        taxIncludedAmount Money                           server
        taxItem           TaxItem[]                       server
        """
    ),
)
"""A client says that a bill was sent; billing and payment say everything else."""

RATE: Final = Descriptor(
    type="AppliedCustomerBillingRate",
    path="appliedCustomerBillingRate",
    operations=LISTED,
    events=(),
    own=attributes(
        """
        appliedBillingRateType string                  v5
        appliedTax             AppliedBillingTaxRate[]
        bill                   CustomerBillRef
        billingAccount         BillingAccountRef
        characteristic         Characteristic[]
        date                   dateTime
        description            string
        isBilled               boolean
        name                   string
        periodCoverage         TimePeriod
        product                ProductRef
        taxExcludedAmount      Money
        taxIncludedAmount      Money
        type                   string                  v4
        """
    ),
)

ON_DEMAND: Final = Descriptor(
    type="CustomerBillOnDemand",
    path="customerBillOnDemand",
    operations=LISTED | {Operation.CREATE},
    events=("Create", "StateChange"),
    lifecycle=lifecycle(
        "state",
        """
        inProgress          -> done, rejected, terminatedWithError
        done                ->
        rejected            ->
        terminatedWithError ->
        """,
        any_on_create=False,
    ),
    own=attributes(
        """
        billingAccount BillingAccountRef             required=v5 ->666/BillingAccount
        customerBill   CustomerBillRef               server
        description    string
        lastUpdate     string                        server
        name           string
        relatedParty   RelatedPartyRefOrPartyRoleRef
        state          string
        """
    ),
)

CYCLE: Final = Descriptor(
    type="BillCycle",
    path="billCycle",
    operations=LISTED,
    events=(),
    versions=frozenset({Version.V5}),
    own=attributes(
        """
        billingDate            dateTime
        billingPeriod          string
        chargeDate             dateTime
        creditDate             dateTime
        description            string
        mailingDate            dateTime
        name                   string
        paymentDueDate         dateTime
        BillCycleSpecification BillCycleSpecificationRef
        validFor               TimePeriod
        """
    ),
)
"""A cycle for which bills were issued."""
