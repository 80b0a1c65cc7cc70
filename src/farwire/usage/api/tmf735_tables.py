"""TMF735 as tables of facts: what the document v5.0.0 says of each resource."""

from __future__ import annotations

from typing import Final

from farwire.base.tmf import Descriptor, attributes, lifecycle

CDR_STATES: Final = lifecycle(
    "state",
    """
    charged   -> billed
    billed    -> paid
    paid      -> completed
    completed ->
    """,
)

CDR_TRANSACTION: Final = Descriptor(
    type="CdrTransaction",
    path="cdrTransaction",
    lifecycle=CDR_STATES,
    own=attributes(
        """
        cancellationDate      dateTime
        cancellationReason    string
        channel               RelatedChannel[]                required
        completionDate        dateTime
        creationDate          dateTime                        created
        description           string
        note                  Note[]
        relatedParty          RelatedPartyRefOrPartyRoleRef[] required
        requestedInitialState string
        state                 string
        transactionItem       CdrTransactionItem[]
        """
    ),
)

ALL: Final = (CDR_TRANSACTION,)
