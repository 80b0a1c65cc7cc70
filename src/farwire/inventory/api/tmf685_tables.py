"""TMF685 as tables of facts: what the document v4.0.0 says of each resource."""

from __future__ import annotations

from typing import Final

from farwire.base.tmf import Descriptor, Operation, attributes, lifecycle

TASK: Final = frozenset({Operation.LIST, Operation.GET, Operation.CREATE})

ORDER_STATES: Final = lifecycle(
    "state",
    """
    acknowledged          -> rejected, pending, held, inProgress, cancelled, assessingCancellation, failed
    rejected              ->
    pending               -> inProgress, held, cancelled, assessingCancellation, failed
    held                  -> inProgress, pending, cancelled, assessingCancellation, failed
    inProgress            -> pending, held, completed, partial, failed, cancelled, assessingCancellation
    assessingCancellation -> inProgress, pending, held, pendingCancellation, cancelled
    pendingCancellation   -> cancelled, failed
    cancelled             ->
    completed             ->
    failed                ->
    partial               ->
    """,
)
"""The order's state diagram; a final state is not left."""

RESERVATION: Final = Descriptor(
    type="Reservation",
    path="reservation",
    lifecycle=ORDER_STATES,
    events=("StateChange", "Creation", "InformationRequired", "Remove"),
    own=attributes(
        """
        cancellationDate        string
        cancellationReason      string
        channel                 ChannelRef
        completionDate          string
        creationDate            dateTime                        created
        description             string
        expectedCompletionDate  string
        relatedEntity           RelatedEntity[]
        relatedParty            RelatedPartyRefOrPartyRoleRef[] required
        requestedCompletionDate string
        requestedStartDate      string
        reservationItem         ReservationItem[]               required
        reservationPeriod       TimePeriod
        state                   string
        stateChangeDate         dateTime
        stateChangeReason       string
        validFor                TimePeriod
        """
    ),
)

RESOURCE_POOL: Final = Descriptor(
    type="ResourcePool",
    path="resourcePool",
    operations=frozenset({Operation.LIST, Operation.GET, Operation.CREATE, Operation.PATCH}),
    events=(),
    own=attributes(
        """
        capacity              Capacity[]
        description           string
        relatedParty          RelatedPartyRefOrPartyRoleRef
        resource              ResourceRef[]
        resourceSpecification ResourceSpecificationRef      ->634/ResourceSpecification
        """
    ),
)

AVAILABILITY_CHECK: Final = Descriptor(
    type="AvailabilityCheck",
    path="availabilityCheck",
    operations=TASK,
    events=(),
    own=attributes(
        """
        """
    ),
)

PUSH: Final = Descriptor(
    type="Push",
    path="push",
    operations=TASK,
    events=(),
    own=attributes(
        """
        """
    ),
)

EXTRACT: Final = Descriptor(
    type="Extract",
    path="extract",
    operations=TASK,
    events=(),
    own=attributes(
        """
        """
    ),
)

ALL: Final = (RESERVATION, RESOURCE_POOL, AVAILABILITY_CHECK, PUSH, EXTRACT)
