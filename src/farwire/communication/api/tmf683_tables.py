"""TMF683 as tables of facts: what the documents v4.0.0 and v5.0.0 say of each resource."""

from __future__ import annotations

from typing import Final

from farwire.base.tmf import Descriptor, attributes

PARTY_INTERACTION: Final = Descriptor(
    type="PartyInteraction",
    path="partyInteraction",
    events=("Create", "AttributeValueChange", "StatusChange", "Delete"),
    own=attributes(
        """
        attachment              AttachmentRefOrValue[]
        creationDate            dateTime                  created
        description             string
        direction               string                    required fixed
        externalIdentifier      ExternalIdentifier[]      v5
        interactionDate         TimePeriod                required=v4
        interactionItem         InteractionItem[]
        interactionRelationship InteractionRelationship[]
        lastUpdate              dateTime                  v5 changed
        lastUpdateDate          dateTime                  v5
        note                    Note[]
        reason                  string                    required
        relatedChannel          RelatedChannel[]          v4=channel required
        relatedParty            RelatedPartyOrPartyRole[]
        status                  string                    required=v4
        statusChangeDate        dateTime
        """
    ),
)

ALL: Final = (PARTY_INTERACTION,)
