"""TMF621 as tables of facts: what the documents v4.0.0 and v5.0.1 say of each resource."""

from __future__ import annotations

from typing import Final

from farwire.base.tmf import Descriptor, Version, attributes, lifecycle

TICKET_STATES: Final = lifecycle(
    "status",
    """
    acknowledged -> rejected, pending, held, inProgress, resolved, cancelled
    rejected     ->
    pending      -> inProgress, held, resolved, cancelled
    held         -> inProgress, pending, resolved, cancelled
    inProgress   -> pending, held, resolved, cancelled
    resolved     -> inProgress, closed
    cancelled    ->
    closed       ->
    """,
)
"""Resolved may be taken up again; closed is the end."""

TROUBLE_TICKET: Final = Descriptor(
    type="TroubleTicket",
    path="troubleTicket",
    lifecycle=TICKET_STATES,
    events=("Create", "AttributeValueChange", "StatusChange", "Delete", "InformationRequired", "Resolved"),
    own=attributes(
        """
        attachment                  AttachmentRefOrValue[]
        channel                     ChannelRef
        creationDate                dateTime                        created
        description                 string                          required
        expectedResolutionDate      dateTime
        externalId                  string                          v4
        externalIdentifier          ExternalIdentifier[]            v5
        lastUpdate                  dateTime                        changed
        name                        string
        note                        Note[]
        priority                    string
        relatedEntity               RelatedEntity[]
        relatedParty                RelatedPartyRefOrPartyRoleRef[]
        requestedResolutionDate     dateTime
        resolutionDate              dateTime
        severity                    string                          required
        status                      string
        statusChangeDate            dateTime                        fixed
        statusChangeHistory         StatusChange[]                  v4=statusChange
        statusChangeReason          string
        ticketType                  string                          required
        troubleTicketCharacteristic Characteristic[]                v5
        troubleTicketRelationship   TroubleTicketRelationship[]
        troubleTicketSpecification  TroubleTicketSpecificationRef   v5 ->621/TroubleTicketSpecification
        """
    ),
)

TROUBLE_TICKET_SPECIFICATION: Final = Descriptor(
    type="TroubleTicketSpecification",
    path="troubleTicketSpecification",
    versions=frozenset({Version.V5}),
    events=("Create", "AttributeValueChange", "StatusChange", "Delete"),
    own=attributes(
        """
        creationDate       dateTime                        created
        description        string
        lastUpdate         dateTime                        changed
        lifecycleStatus    string
        name               string                          required
        relatedParty       RelatedPartyRefOrPartyRoleRef[]
        specCharacteristic CharacteristicSpecification[]
        validFor           TimePeriod
        version            string
        """
    ),
)

ALL: Final = (TROUBLE_TICKET, TROUBLE_TICKET_SPECIFICATION)
