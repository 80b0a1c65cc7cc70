"""TMF644 as tables of facts: what the document v4.0.0 says of each resource."""

from __future__ import annotations

from typing import Final

from farwire.base.tmf import Descriptor, attributes

PARTY_PRIVACY_PROFILE: Final = Descriptor(
    type="PartyPrivacyProfile",
    path="partyPrivacyProfile",
    events=("Create", "AttributeValueChange", "StatusChange", "Delete"),
    own=attributes(
        """
        agreedByParty                     RelatedPartyRefOrPartyRoleRef       required
        agreement                         PartyPrivacyAgreementRef            ->644/PartyPrivacyAgreement
        applicableForParty                RelatedPartyRefOrPartyRoleRef
        creationDate                      dateTime                            created
        description                       string
        name                              string
        partyPrivacyProfileCharacteristic PartyPrivacyProfileCharacteristic[] required
        partyPrivacyProfileSpecification  PartyPrivacyProfileSpecificationRef required ->644/PartyPrivacyProfileSpecification
        status                            string
        validFor                          TimePeriod
        """  # noqa: E501 - names of the standard
    ),
)

PARTY_PRIVACY_PROFILE_SPECIFICATION: Final = Descriptor(
    type="PartyPrivacyProfileSpecification",
    path="partyPrivacyProfileSpecification",
    events=("Create", "AttributeValueChange", "StatusChange", "Delete"),
    own=attributes(
        """
        applicableRole                        PartyPrivacyRoleSpecification[]
        description                           string
        lastUpdate                            dateTime                                         changed
        name                                  string
        partyPrivacyProfileSpecCharacteristic PartyPrivacyProfileSpecificationCharacteristic[] required
        productOffering                       ProductOfferingRef[]                             ->620/ProductOffering
        relatedParty                          RelatedPartyRefOrPartyRoleRef[]
        status                                string
        validFor                              TimePeriod
        version                               string
        """
    ),
)

PARTY_PRIVACY_AGREEMENT: Final = Descriptor(
    type="PartyPrivacyAgreement",
    path="partyPrivacyAgreement",
    events=("Create", "AttributeValueChange", "StatusChange", "Delete"),
    own=attributes(
        """
        agreementAuthorization            AgreementAuthorization[]
        agreementItem                     AgreementItem[]                     required
        agreementPeriod                   TimePeriod
        agreementSpecification            AgreementSpecificationRef           ->651/AgreementSpecification
        agreementType                     string                              required
        associatedAgreement               AgreementRef[]
        characteristic                    Characteristic[]
        completionDate                    TimePeriod
        description                       string
        documentNumber                    integer
        engagedParty                      RelatedPartyRefOrPartyRoleRef[]     required
        initialDate                       dateTime
        name                              string                              required
        partyPrivacyProfile               PartyPrivacyProfileRef[]            ->644/PartyPrivacyProfile
        partyPrivacyProfileCharacteristic PartyPrivacyProfileCharacteristic[]
        statementOfIntent                 string
        status                            string
        version                           string
        """
    ),
)

ALL: Final = (PARTY_PRIVACY_PROFILE, PARTY_PRIVACY_PROFILE_SPECIFICATION, PARTY_PRIVACY_AGREEMENT)
