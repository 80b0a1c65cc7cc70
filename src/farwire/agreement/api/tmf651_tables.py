"""TMF651 as tables of facts: what the document v4.0.0 says of each resource."""

from __future__ import annotations

from typing import Final

from farwire.base.tmf import Descriptor, attributes

AGREEMENT: Final = Descriptor(
    type="Agreement",
    path="agreement",
    own=attributes(
        """
        agreementAuthorization AgreementAuthorization[]
        agreementItem          AgreementItem[]                 required
        agreementPeriod        TimePeriod
        agreementSpecification AgreementSpecificationRef       ->651/AgreementSpecification
        agreementType          string                          required
        associatedAgreement    AgreementRef[]                  ->651/Agreement
        characteristic         Characteristic[]
        completionDate         TimePeriod                      fixed
        description            string
        documentNumber         integer
        engagedParty           RelatedPartyRefOrPartyRoleRef[] required
        initialDate            dateTime
        name                   string                          required
        statementOfIntent      string
        status                 string
        version                string
        """
    ),
)

AGREEMENT_SPECIFICATION: Final = Descriptor(
    type="AgreementSpecification",
    path="agreementSpecification",
    own=attributes(
        """
        attachment                  AttachmentRefOrValue[]               required
        description                 string
        isBundle                    boolean                              default=false
        lastUpdate                  dateTime                             changed
        lifecycleStatus             string
        name                        string                               required
        relatedParty                RelatedPartyRefOrPartyRoleRef[]
        serviceCategory             CategoryRef
        specificationCharacteristic AgreementSpecCharacteristic[]
        specificationRelationship   AgreementSpecificationRelationship[]
        validFor                    TimePeriod
        version                     string
        """
    ),
)

ALL: Final = (AGREEMENT, AGREEMENT_SPECIFICATION)
