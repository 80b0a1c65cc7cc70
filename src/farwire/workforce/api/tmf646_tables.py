"""TMF646 as tables of facts: what the document v4.0.0 says of each resource."""

from __future__ import annotations

from typing import Final

from farwire.base.tmf import Descriptor, attributes, lifecycle

APPOINTMENT_STATES: Final = lifecycle(
    "status",
    """
    initialized -> confirmed, cancelled, failed
    confirmed   -> completed, cancelled, failed, initialized
    cancelled   ->
    completed   ->
    failed      ->
    """,
)
"""A new time needs a new confirmation."""

SEARCH_STATES: Final = lifecycle(
    "status",
    """
    inProgress          -> done, rejected, terminatedWithError
    done                ->
    rejected            ->
    terminatedWithError ->
    """,
)

APPOINTMENT: Final = Descriptor(
    type="Appointment",
    path="appointment",
    lifecycle=APPOINTMENT_STATES,
    own=attributes(
        """
        attachment    AttachmentRefOrValue[]
        calendarEvent CalendarEventRef
        category      string
        contactMedium ContactMedium[]
        creationDate  dateTime                        created
        description   string
        externalId    string
        lastUpdate    dateTime                        changed
        note          Note[]
        relatedEntity RelatedEntity[]
        relatedParty  RelatedPartyRefOrPartyRoleRef[]
        relatedPlace  RelatedPlaceRefOrValue
        status        string
        validFor      TimePeriod                      required
        """
    ),
)

SEARCH_TIME_SLOT: Final = Descriptor(
    type="SearchTimeSlot",
    path="searchTimeSlot",
    lifecycle=SEARCH_STATES,
    own=attributes(
        """
        availableTimeSlot TimeSlot[]
        relatedEntity     RelatedEntity[]
        relatedParty      RelatedPartyRefOrPartyRoleRef
        relatedPlace      RelatedPlaceRefOrValue
        requestedTimeSlot TimeSlot[]
        searchDate        dateTime                      created
        searchResult      string                        fixed
        status            string
        """
    ),
)

ALL: Final = (APPOINTMENT, SEARCH_TIME_SLOT)
