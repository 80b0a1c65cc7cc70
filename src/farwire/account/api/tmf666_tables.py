"""TMF666 as tables of facts: what the documents v4.0.0 and v5.0.0 say of each resource."""

from __future__ import annotations

from typing import Final

from farwire.base.tmf import Descriptor, Operation, Part, attributes, lifecycle

MEDIA: Final = Part(attributes("id string\nname string"))
CYCLE: Final = Part(attributes("id string\nname string\nbillingDateShift integer\nfrequency string"))
STRUCTURE: Final = Part(
    attributes(
        """
        cycleSpecification BillingCycleSpecificationRefOrValue
        format             BillFormatRefOrValue
        presentationMedia  BillPresentationMediaRefOrValue[]
        """
    )
)
RELATION: Final = Part(
    attributes(
        """
        relationshipType string
        account          AccountRef
        validFor         TimePeriod
        """
    )
)
PARTS: Final = {
    "BillStructure": STRUCTURE,
    "BillPresentationMediaRefOrValue": MEDIA,
    "BillingCycleSpecificationRefOrValue": CYCLE,
    "AccountRelationship": RELATION,
}

BILLING_ACCOUNT: Final = Descriptor(
    type="BillingAccount",
    path="billingAccount",
    operations=frozenset(Operation) - {Operation.DELETE, Operation.PUT},
    events=("Create", "AttributeValueChange", "StateChange"),
    parts=PARTS,
    lifecycle=lifecycle("state", "active ->\nclosed ->", any_on_create=False),
    own=attributes(
        """
        accountBalance       AccountBalance[]                server
        accountRelationship  AccountRelationship[]
        accountType          string
        billStructure        BillStructure
        contact              Contact[]
        creditLimit          Money
        defaultPaymentMethod PaymentMethodRef                ->670/PaymentMethod
        description          string
        financialAccount     FinancialAccountRef             ->666/FinancialAccount
        lastModified         dateTime                        v4 changed
        lastUpdate           dateTime                        v5 changed
        name                 string                          required
        paymentPlan          PaymentPlan[]
        paymentStatus        string
        ratingType           string                          v5 server
        relatedParty         RelatedPartyRefOrPartyRoleRef[] required
        state                string
        taxExemption         TaxExemptionCertificate[]
        currency             string                          server
        language             string
        legalEntity          LegalEntityRef
        openedAt             dateTime                        created
        closedAt             dateTime                        server
        taxClass             string
        """
    ),
)
"""What stands after ``taxExemption`` is ours: TMF666 has no place for it. An account is closed by its own act."""

PARTY_ACCOUNT: Final = Descriptor(
    type="PartyAccount",
    path="partyAccount",
    own=attributes(
        """
        accountBalance       AccountBalance[]
        accountRelationship  AccountRelationship[]
        accountType          string
        billStructure        BillStructure
        contact              Contact[]
        creditLimit          Money
        defaultPaymentMethod PaymentMethodRef                ->670/PaymentMethod
        description          string
        financialAccount     FinancialAccountRef             ->666/FinancialAccount
        lastModified         dateTime                        v4 changed
        lastUpdate           dateTime                        v5 changed
        name                 string                          required
        paymentPlan          PaymentPlan[]
        paymentStatus        string
        relatedParty         RelatedPartyRefOrPartyRoleRef[] required
        state                string
        taxExemption         TaxExemptionCertificate[]
        """
    ),
)
SETTLEMENT_ACCOUNT: Final = Descriptor(
    type="SettlementAccount",
    path="settlementAccount",
    own=attributes(
        """
        accountBalance       AccountBalance[]
        accountRelationship  AccountRelationship[]
        accountType          string
        billStructure        BillStructure
        contact              Contact[]
        creditLimit          Money
        defaultPaymentMethod PaymentMethodRef                ->670/PaymentMethod
        description          string
        financialAccount     FinancialAccountRef             ->666/FinancialAccount
        lastModified         dateTime                        v4 changed
        lastUpdate           dateTime                        v5 changed
        name                 string                          required
        paymentPlan          PaymentPlan[]
        paymentStatus        string
        relatedParty         RelatedPartyRefOrPartyRoleRef[] required
        state                string
        taxExemption         TaxExemptionCertificate[]
        """
    ),
)
FINANCIAL_ACCOUNT: Final = Descriptor(
    type="FinancialAccount",
    path="financialAccount",
    own=attributes(
        """
        accountBalance      AccountBalance[]
        accountRelationship AccountRelationship[]
        accountType         string
        contact             Contact[]
        creditLimit         Money
        description         string
        lastModified        dateTime                        v4 changed
        lastUpdate          dateTime                        v5 changed
        name                string                          required
        relatedParty        RelatedPartyRefOrPartyRoleRef[] required=v5
        state               string
        taxExemption        TaxExemptionCertificate[]
        """
    ),
)
BILL_FORMAT: Final = Descriptor(
    type="BillFormat",
    path="billFormat",
    own=attributes(
        """
        description string
        name        string required
        """
    ),
)
BILL_MEDIA: Final = Descriptor(
    type="BillPresentationMedia",
    path="billPresentationMedia",
    own=attributes(
        """
        description string
        name        string required
        """
    ),
)
BILLING_CYCLE: Final = Descriptor(
    type="BillingCycleSpecification",
    path="billingCycleSpecification",
    own=attributes(
        """
        billingDateShift     integer
        billingPeriod        string
        chargeDateOffset     integer
        creditDateOffset     integer
        description          string
        frequency            string
        mailingDateOffset    integer
        name                 string     required
        paymentDueDateOffset integer
        validFor             TimePeriod
        """
    ),
)
