"""TMF724 as tables of facts: what the document v4.0.1 says of each resource."""

from __future__ import annotations

from typing import Final

from farwire.base.tmf import Descriptor, Operation, attributes, lifecycle

TASK: Final = frozenset({Operation.LIST, Operation.GET, Operation.CREATE})

INCIDENT_STATES: Final = lifecycle(
    "state",
    """
    raised  -> updated, cleared
    updated -> raised, cleared
    cleared -> raised
    """,
)
"""A cleared incident may be raised again."""

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

INCIDENT: Final = Descriptor(
    type="Incident",
    path="incident",
    operations=TASK,
    lifecycle=INCIDENT_STATES,
    events=("Create", "StateChange"),
    own=attributes(
        """
        ackState                     string               required
        ackTime                      dateTime
        affectedEntity               EntityRef[]
        category                     string               required
        clearTime                    dateTime
        domain                       string               required
        eventId                      ResourceEntity[]
        extensionInfo                Characteristic[]
        externalIdentifier           ExternalIdentifier[]
        impact                       string
        incidentDetail               string
        incidentResolutionSuggestion string
        name                         string               required
        occurTime                    dateTime             required
        priority                     string               required
        rootCause                    RootCause[]
        rootEventId                  ResourceEntity[]
        sourceObject                 ResourceEntity[]     required
        state                        string               required
        updateTime                   string
        urgency                      string
        """
    ),
)

DIAGNOSE_INCIDENT: Final = Descriptor(
    type="DiagnoseIncident",
    path="diagnoseIncident",
    operations=TASK,
    lifecycle=TASK_STATES,
    events=("Create", "StateChange"),
    own=attributes(
        """
        errorLog string
        incident IncidentRef required ->724/Incident
        state    string
        """
    ),
)

RESOLVE_INCIDENT: Final = Descriptor(
    type="ResolveIncident",
    path="resolveIncident",
    operations=TASK,
    lifecycle=TASK_STATES,
    events=("Create", "StateChange"),
    own=attributes(
        """
        clearTime string
        errorLog  string
        incident  IncidentRef required ->724/Incident
        state     string
        """
    ),
)

ALL: Final = (INCIDENT, DIAGNOSE_INCIDENT, RESOLVE_INCIDENT)
