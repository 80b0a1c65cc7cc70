"""TMF632 as tables of facts: what the documents v4.0.0 and v5.0.0 say of each resource."""

from __future__ import annotations

from typing import Any, Final

from farwire.base.tmf import Descriptor, Operation, Part, attributes

OFFERED: Final = frozenset({Operation.LIST, Operation.GET, Operation.CREATE, Operation.PATCH})
_KINDS: Final = {
    "email": "EmailContactMedium",
    "phone": "PhoneContactMedium",
    "postalAddress": "GeographicAddressContactMedium",
}
_OUTSIDE: Final = ("id", "preferred", "validFor", "@baseType", "@schemaLocation")


def contact_to_v4(item: dict[str, Any]) -> dict[str, Any]:
    """Return v4's contact medium, whose facts stand in ``characteristic``."""
    types = {v5: v4 for v4, v5 in _KINDS.items()}
    kind = item.get("@type", "ContactMedium")
    outside: dict[str, Any] = {name: item[name] for name in _OUTSIDE if name in item}
    inner = {name: value for name, value in item.items() if name not in (*_OUTSIDE, "@type")}
    return {"mediumType": types.get(kind, kind), **outside, "characteristic": inner}


def contact_from_v4(item: dict[str, Any]) -> dict[str, Any]:
    """Return v5's contact medium: its kind is its type."""
    kind = item.get("mediumType", "ContactMedium")
    outside: dict[str, Any] = {name: item[name] for name in _OUTSIDE if name in item}
    inner = item.get("characteristic")
    facts = inner if isinstance(inner, dict) else {}
    return {"@type": _KINDS.get(kind, kind), **facts, **outside}


CONTACT: Final = Part(to_v4=contact_to_v4, from_v4=contact_from_v4)

INDIVIDUAL: Final = Descriptor(
    type="Individual",
    path="individual",
    operations=OFFERED,
    parts={"ContactMedium": CONTACT},
    own=attributes(
        """
        aristocraticTitle        string
        birthDate                dateTime
        contactMedium            ContactMedium[]
        countryOfBirth           string
        creditRating             PartyCreditProfile[]
        deathDate                dateTime
        disability               Disability[]
        externalReference        ExternalIdentifier[]
        familyName               string                     required
        familyNamePrefix         string
        formattedName            string
        fullName                 string                     v4
        gender                   string
        generation               string
        givenName                string                     required
        individualIdentification IndividualIdentification[]
        languageAbility          LanguageAbility[]
        legalName                string
        location                 string
        maritalStatus            string
        middleName               string
        name                     string                     v5
        nationality              string
        otherName                OtherNameIndividual[]
        partyCharacteristic      Characteristic[]
        placeOfBirth             string
        preferredGivenName       string
        relatedParty             RelatedPartyOrPartyRole[]
        skill                    Skill[]
        status                   string                     server
        taxExemptionCertificate  TaxExemptionCertificate[]
        title                    string
        """
    ),
)

ORGANIZATION: Final = Descriptor(
    type="Organization",
    path="organization",
    operations=OFFERED,
    parts={"ContactMedium": CONTACT},
    own=attributes(
        """
        contactMedium                  ContactMedium[]
        creditRating                   PartyCreditProfile[]
        existsDuring                   TimePeriod
        externalReference              ExternalIdentifier[]
        isHeadOffice                   boolean
        isLegalEntity                  boolean
        name                           string                          required=v5
        nameType                       string
        organizationChildRelationship  OrganizationChildRelationship[]
        organizationIdentification     OrganizationIdentification[]
        organizationParentRelationship OrganizationParentRelationship
        organizationType               string
        otherName                      OtherNameOrganization[]
        partyCharacteristic            Characteristic[]
        relatedParty                   RelatedPartyOrPartyRole[]
        status                         string                          server
        taxExemptionCertificate        TaxExemptionCertificate[]
        tradingName                    string                          required=v4
        """
    ),
)
