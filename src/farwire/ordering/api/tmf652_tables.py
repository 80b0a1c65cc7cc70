"""TMF652 as tables of facts: what the document v4.0.0 says of each resource."""

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

RESOURCE_ORDER: Final = Descriptor(
    type="ResourceOrder",
    path="resourceOrder",
    lifecycle=ORDER_STATES,
    events=("Create", "AttributeValueChange", "StateChange", "Delete", "InformationRequired"),
    own=attributes(
        """
        category                string
        completionDate          dateTime                        fixed
        description             string
        expectedCompletionDate  dateTime
        externalId              string
        externalReference       ExternalId[]
        name                    string
        note                    Note[]
        orderDate               dateTime                        created
        orderItem               ResourceOrderItem[]
        orderType               string
        priority                integer
        relatedParty            RelatedPartyRefOrPartyRoleRef[]
        requestedCompletionDate dateTime
        requestedStartDate      dateTime
        startDate               dateTime
        state                   string
        """
    ),
)

CANCEL_RESOURCE_ORDER: Final = Descriptor(
    type="CancelResourceOrder",
    path="cancelResourceOrder",
    operations=TASK,
    lifecycle=ACK_STATES,
    events=("Create", "StateChange", "InformationRequired"),
    own=attributes(
        """
        cancellationReason        string
        effectiveCancellationDate dateTime
        errorMessage              ErrorMessage
        requestedCancellationDate dateTime
        resourceOrder             ResourceOrderRef required ->652/ResourceOrder
        state                     string
        """
    ),
)

ALL: Final = (RESOURCE_ORDER, CANCEL_RESOURCE_ORDER)
