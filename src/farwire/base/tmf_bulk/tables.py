"""The two jobs as tables of facts: the same in TMF620, 633, 634 and 914."""

from __future__ import annotations

from typing import Final

from farwire.base.tmf import Descriptor, Lifecycle, Operation, attributes, lifecycle

WAITING, RUNNING, SUCCEEDED, FAILED = "Not Started", "Running", "Succeeded", "Failed"
STATES: Final[Lifecycle] = lifecycle(
    "status",
    """
    Not Started -> Running
    Running     -> Succeeded, Failed
    Succeeded   ->
    Failed      ->
    """,
    any_on_create=False,
)
_OPERATIONS: Final = frozenset({Operation.LIST, Operation.GET, Operation.CREATE, Operation.DELETE})

IMPORT_JOB: Final = Descriptor(
    type="ImportJob",
    path="importJob",
    lifecycle=STATES,
    operations=_OPERATIONS,
    events=("Create", "StateChange"),
    own=attributes(
        """
        completionDate dateTime server
        contentType    string
        creationDate   dateTime created
        errorLog       string   server
        path           string
        status         string
        url            string   required server
        """
    ),
)

EXPORT_JOB: Final = Descriptor(
    type="ExportJob",
    path="exportJob",
    lifecycle=STATES,
    operations=_OPERATIONS,
    events=("Create", "StateChange"),
    own=attributes(
        """
        completionDate dateTime server
        contentType    string
        creationDate   dateTime created
        errorLog       string   server
        path           string
        query          string
        status         string
        url            string   required server
        """
    ),
)
