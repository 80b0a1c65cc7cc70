"""TMF720 as tables of facts: what the document v4.0.0 says of each resource."""

from __future__ import annotations

from typing import Final

from farwire.base.tmf import Descriptor, attributes, lifecycle

IDENTITY_STATES: Final = lifecycle(
    "status",
    """
    unknown   -> active, suspended, archived
    active    -> suspended, archived
    suspended -> active, archived
    archived  ->
    """,
)

DIGITAL_IDENTITY: Final = Descriptor(
    type="DigitalIdentity",
    path="digitalIdentity",
    lifecycle=IDENTITY_STATES,
    own=attributes(
        """
        attachment           AttachmentRefOrValue[]
        contactMedium        DigitalIdentityContactMedium[]
        creationDate         dateTime                        created
        credential           Credential[]                    required
        individualIdentified PartyRef
        lastUpdate           dateTime                        changed
        nickname             string
        partyRoleIdentified  RelatedPartyRefOrPartyRoleRef[]
        relatedParty         RelatedPartyRefOrPartyRoleRef[]
        resourceIdentified   ResourceRef
        status               string
        validFor             TimePeriod
        """
    ),
)

ALL: Final = (DIGITAL_IDENTITY,)
