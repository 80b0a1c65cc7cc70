"""TMF681 as tables of facts: what the document v4.0.0 says of each resource."""

from __future__ import annotations

from typing import Final

from farwire.base.tmf import Descriptor, attributes, lifecycle

MESSAGE_STATES: Final = lifecycle(
    "state",
    """
    initial    -> inProgress, completed, cancelled, failed
    inProgress -> completed, cancelled, failed
    completed  ->
    cancelled  ->
    failed     -> inProgress
    """,
)
"""What failed may be sent again."""

COMMUNICATION_MESSAGE: Final = Descriptor(
    type="CommunicationMessage",
    path="communicationMessage",
    lifecycle=MESSAGE_STATES,
    events=(),
    own=attributes(
        """
        attachment        Attachment[]
        characteristic    Characteristic[]
        content           string           required
        description       string
        logFlag           boolean
        messageType       string           required
        priority          string
        receiver          Receiver[]       required
        scheduledSendTime dateTime
        sendTime          dateTime
        sendTimeComplete  dateTime
        sender            Sender           required
        state             string
        subject           string
        tryTimes          integer
        """
    ),
)

ALL: Final = (COMMUNICATION_MESSAGE,)
