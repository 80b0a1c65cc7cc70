"""TMF669 as tables of facts: what the documents v4.0 and v5.0.0 say of each resource."""

from __future__ import annotations

from typing import Final

from farwire.base.tmf import Descriptor, Version, attributes

PARTY_ROLE: Final = Descriptor(
    type="PartyRole",
    path="partyRole",
    own=attributes(
        """
        account                AccountRef[]
        agreement              AgreementRef[]
        characteristic         Characteristic[]
        contactMedium          ContactMedium[]
        creditProfile          CreditProfile[]
        description            string                    v5
        engagedParty           PartyRef                  required=v5
        name                   string                    required
        partyRoleSpecification PartyRoleSpecificationRef v5 ->669/PartyRoleSpecification
        paymentMethod          PaymentMethodRef[] ->670/PaymentMethod
        relatedParty           RelatedPartyOrPartyRole[]
        role                   string                    v5
        status                 string
        statusReason           string
        validFor               TimePeriod
        """
    ),
)

PARTY_ROLE_SPECIFICATION: Final = Descriptor(
    type="PartyRoleSpecification",
    path="partyRoleSpecification",
    versions=frozenset({Version.V5}),
    own=attributes(
        """
        agreementSpecification     AgreementSpecificationRef[]       ->651/AgreementSpecification
        attachment                 AttachmentRefOrValue[]
        constraint                 ConstraintRef[]
        description                string
        entitySpecRelationship     EntitySpecificationRelationship[]
        isBundle                   boolean                           default=false
        lastUpdate                 dateTime                          changed
        lifecycleStatus            string
        name                       string                            required
        permissionSpecificationSet PermissionSpecificationSetRef[]
        relatedParty               RelatedPartyRefOrPartyRoleRef[]
        specCharacteristic         CharacteristicSpecification[]
        status                     string
        targetEntitySchema         TargetEntitySchema
        validFor                   TimePeriod
        version                    string
        """
    ),
)

ALL: Final = (PARTY_ROLE, PARTY_ROLE_SPECIFICATION)
