"""TMF641 as tables of facts: what the document v4.1.0 says of each resource."""

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

TASK_STATES: Final = lifecycle(
    "state",
    """
    accepted            -> inProgress, done, terminatedWithError
    inProgress          -> done, terminatedWithError
    done                ->
    terminatedWithError ->
    """,
)
"""A task that the server carries out."""

SERVICE_ORDER: Final = Descriptor(
    type="ServiceOrder",
    path="serviceOrder",
    lifecycle=ORDER_STATES,
    events=(
        "Create",
        "AttributeValueChange",
        "StateChange",
        "Delete",
        "InformationRequired",
        "Jeopardy",
        "Milestone",
    ),
    own=attributes(
        """
        cancellationDate        dateTime                        fixed
        cancellationReason      string                          fixed
        category                string                          fixed
        completionDate          dateTime                        fixed
        description             string
        errorMessage            ServiceOrderErrorMessage[]      fixed
        expectedCompletionDate  dateTime
        externalId              string
        externalReference       ExternalReference[]
        jeopardyAlert           ServiceOrderJeopardyAlert[]     fixed
        milestone               ServiceOrderMilestone[]         fixed
        note                    Note[]
        notificationContact     string
        orderDate               dateTime                        created
        orderRelationship       ServiceOrderRelationship[]
        priority                string
        relatedParty            RelatedPartyRefOrPartyRoleRef[]
        requestedCompletionDate dateTime
        requestedStartDate      dateTime
        serviceOrderItem        ServiceOrderItem[]              required was=orderItem
        startDate               dateTime                        fixed
        state                   string
        """
    ),
)

CANCEL_SERVICE_ORDER: Final = Descriptor(
    type="CancelServiceOrder",
    path="cancelServiceOrder",
    operations=TASK,
    lifecycle=TASK_STATES,
    events=("Create", "StateChange", "InformationRequired"),
    own=attributes(
        """
        cancellationReason        string
        completionMessage         string
        effectiveCancellationDate dateTime
        errorMessage              ErrorMessage
        requestedCancellationDate dateTime
        serviceOrder              ServiceOrderRef required ->641/ServiceOrder
        state                     string
        """
    ),
)

ALL: Final = (SERVICE_ORDER, CANCEL_SERVICE_ORDER)
