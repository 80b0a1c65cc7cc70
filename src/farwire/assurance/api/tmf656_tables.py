"""TMF656 as tables of facts: what the documents v4.0.0 and v5.0.0 say of each resource."""

from __future__ import annotations

from typing import Final

from farwire.base.tmf import Descriptor, Operation, Part, attributes, lifecycle

READ: Final = frozenset({Operation.LIST, Operation.GET})

TASK: Final = frozenset({Operation.LIST, Operation.GET, Operation.CREATE})

PLACE: Final = Part(wraps="place", wrapped_type="PlaceRef", v4_type="RelatedPlace")

ACK_STATES: Final = lifecycle(
    "state",
    """
    acknowledged        -> inProgress, done, terminatedWithError
    inProgress          -> done, terminatedWithError
    done                ->
    terminatedWithError ->
    """,
)
"""A task that the server carries out."""

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

PROBLEM_ACKNOWLEDGEMENT: Final = Descriptor(
    type="ProblemAcknowledgement",
    path="problemAcknowledgement",
    operations=TASK,
    lifecycle=ACK_STATES,
    events=("Create", "StateChange", "Delete"),
    own=attributes(
        """
        ackProblem     ServiceProblemRef[] ->656/ServiceProblem
        problem        ServiceProblemRef[] required ->656/ServiceProblem
        state          string              v5
        trackingRecord TrackingRecord
        """
    ),
)

PROBLEM_GROUP: Final = Descriptor(
    type="ProblemGroup",
    path="problemGroup",
    operations=TASK,
    lifecycle=ACK_STATES,
    events=("Create", "StateChange", "Delete"),
    own=attributes(
        """
        childProblem  ServiceProblemRef[] required ->656/ServiceProblem
        parentProblem ServiceProblemRef   required ->656/ServiceProblem
        state         string              v5
        """
    ),
)

PROBLEM_UNACKNOWLEDGEMENT: Final = Descriptor(
    type="ProblemUnacknowledgement",
    path="problemUnacknowledgement",
    operations=TASK,
    lifecycle=ACK_STATES,
    events=("Create", "StateChange", "Delete"),
    own=attributes(
        """
        problem        ServiceProblemRef[] required ->656/ServiceProblem
        state          string              v5
        trackingRecord TrackingRecord
        unackProblem   ServiceProblemRef[] ->656/ServiceProblem
        """
    ),
)

PROBLEM_UNGROUP: Final = Descriptor(
    type="ProblemUngroup",
    path="problemUngroup",
    operations=TASK,
    lifecycle=ACK_STATES,
    events=("Create", "StateChange", "Delete"),
    own=attributes(
        """
        childProblem  ServiceProblemRef[] required ->656/ServiceProblem
        parentProblem ServiceProblemRef   required ->656/ServiceProblem
        state         string              v5
        """
    ),
)

SERVICE_PROBLEM: Final = Descriptor(
    type="ServiceProblem",
    path="serviceProblem",
    lifecycle=TICKET_STATES,
    events=("Create", "AttributeValueChange", "StateChange", "Delete", "InformationRequired"),
    parts={"RelatedPlaceRefOrValue": PLACE},
    own=attributes(
        """
        affectedLocation         RelatedPlaceRefOrValue[]
        affectedNumberOfServices integer
        affectedResource         ResourceRef[]
        affectedService          ServiceRef[]
        category                 string                          required
        characteristic           Characteristic[]
        creationDate             dateTime                        created
        description              string                          required
        errorMessage             ErrorMessage[]                  v5 fixed
        externalIdentifier       ExternalIdentifier[]
        firstAlert               RelatedEntity                   fixed
        impactImportanceFactor   string
        impactPattern            ImpactPattern
        lastUpdate               dateTime                        changed
        name                     string
        note                     Note[]
        originatingSystem        string                          fixed
        originatorParty          RelatedPartyRefOrPartyRoleRef   required
        parentProblem            ServiceProblemRef[]             ->656/ServiceProblem
        priority                 integer                         required
        problemEscalation        string
        reason                   string                          required
        relatedEntity            RelatedEntity[]
        relatedEvent             EventRef[]
        relatedParty             RelatedPartyRefOrPartyRoleRef[]
        resolutionDate           dateTime
        responsibleParty         RelatedPartyRefOrPartyRoleRef
        rootCauseResource        ResourceRef[]
        rootCauseService         ServiceRef[]
        slaViolation             SLAViolationRef[]
        status                   string
        statusChangeDate         dateTime
        statusChangeReason       string
        timeChanged              dateTime                        v5
        timeRaised               dateTime                        v5
        trackingRecord           TrackingRecord[]                fixed
        troubleTicket            TroubleTicketRef[]              ->621/TroubleTicket
        underlyingAlarm          ResourceAlarmRef[]
        underlyingProblem        ServiceProblemRef[]             ->656/ServiceProblem
        """
    ),
)

SERVICE_PROBLEM_EVENT_RECORD: Final = Descriptor(
    type="ServiceProblemEventRecord",
    path="serviceProblemEventRecord",
    operations=READ,
    events=(),
    own=attributes(
        """
        eventTime      dateTime
        eventType      string
        notification   Any
        recordTime     dateTime          created
        serviceProblem ServiceProblemRef ->656/ServiceProblem
        """
    ),
)

ALL: Final = (
    PROBLEM_ACKNOWLEDGEMENT,
    PROBLEM_GROUP,
    PROBLEM_UNACKNOWLEDGEMENT,
    PROBLEM_UNGROUP,
    SERVICE_PROBLEM,
    SERVICE_PROBLEM_EVENT_RECORD,
)
