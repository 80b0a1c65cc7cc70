"""TMF642 as tables of facts: what the document v4.0.0 says of each resource."""

from __future__ import annotations

from typing import Final

from farwire.base.tmf import Descriptor, Operation, attributes, lifecycle

TASK: Final = frozenset({Operation.LIST, Operation.GET, Operation.CREATE})

ALARM_STATES: Final = lifecycle(
    "state",
    """
    raised  -> updated, cleared
    updated -> raised, cleared
    cleared -> raised
    """,
)
"""X.733: a cleared alarm may be raised again."""

ALARM: Final = Descriptor(
    type="Alarm",
    path="alarm",
    lifecycle=ALARM_STATES,
    own=attributes(
        """
        ackState                    string
        ackSystemId                 string
        ackUserId                   string
        affectedService             AffectedService[]
        alarmChangedTime            dateTime
        alarmClearedTime            dateTime
        alarmDetails                string
        alarmEscalation             boolean
        alarmRaisedTime             dateTime                    required fixed
        alarmReportingTime          dateTime                    created
        alarmType                   string                      required
        alarmedObject               AlarmedObject               required
        alarmedObjectType           string
        clearSystemId               string
        clearUserId                 string
        comment                     Comment[]
        correlatedAlarm             AlarmRef[]                  ->642/Alarm
        crossedThresholdInformation CrossedThresholdInformation
        externalAlarmId             string
        isRootCause                 boolean
        parentAlarm                 AlarmRef[]                  ->642/Alarm
        perceivedSeverity           string                      required
        place                       RelatedPlaceRefOrValue[]
        plannedOutageIndicator      string
        probableCause               string                      required
        proposedRepairedActions     string
        reportingSystemId           string
        serviceAffecting            boolean
        sourceSystemId              string                      required fixed
        specificProblem             string
        state                       string                      required
        """
    ),
)

ACK_ALARMS: Final = Descriptor(
    type="AckAlarms",
    path="ackAlarms",
    operations=TASK,
    events=("Create", "StateChange"),
    own=attributes(
        """
        ackSystemId  string            required
        ackTime      dateTime
        ackUserId    string            required
        ackedAlarm   AlarmRefOrValue[] ->642/Alarm
        alarmPattern Alarm[]           required
        failedAlarm  FailedAlarm[]     server
        state        string
        """
    ),
)

UN_ACK_ALARMS: Final = Descriptor(
    type="UnAckAlarms",
    path="unAckAlarms",
    operations=TASK,
    events=("Create", "StateChange"),
    own=attributes(
        """
        ackSystemId  string            required
        ackTime      dateTime
        ackUserId    string            required
        alarmPattern Alarm[]           required
        failedAlarm  FailedAlarm[]     server
        state        string
        unAckedAlarm AlarmRefOrValue[] ->642/Alarm
        """
    ),
)

CLEAR_ALARMS: Final = Descriptor(
    type="ClearAlarms",
    path="clearAlarms",
    operations=TASK,
    events=("Create", "StateChange"),
    own=attributes(
        """
        alarmClearedTime dateTime          required
        alarmPattern     Alarm[]           required
        clearSystemId    string            required
        clearUserId      string            required
        clearedAlarm     AlarmRefOrValue[] ->642/Alarm
        failedAlarm      FailedAlarm[]     server
        state            string
        """
    ),
)

COMMENT_ALARMS: Final = Descriptor(
    type="CommentAlarms",
    path="commentAlarms",
    operations=TASK,
    events=("Create", "StateChange"),
    own=attributes(
        """
        alarmPattern   Alarm[]           required
        comment        Comment           required
        commentedAlarm AlarmRefOrValue[] ->642/Alarm
        failedAlarm    FailedAlarm[]     server
        state          string
        """
    ),
)

GROUP_ALARMS: Final = Descriptor(
    type="GroupAlarms",
    path="groupAlarms",
    operations=TASK,
    events=("Create", "StateChange"),
    own=attributes(
        """
        alarmChangedTime dateTime          required
        correlatedAlarm  AlarmRefOrValue[] required ->642/Alarm
        failedAlarm      FailedAlarm[]     server
        groupedAlarm     AlarmRefOrValue[] ->642/Alarm
        parentAlarm      AlarmRefOrValue   required ->642/Alarm
        sourceSystemId   string            required
        state            string
        """
    ),
)

UN_GROUP_ALARMS: Final = Descriptor(
    type="UnGroupAlarms",
    path="unGroupAlarms",
    operations=TASK,
    events=("Create", "StateChange"),
    own=attributes(
        """
        alarmChangedTime dateTime          required
        correlatedAlarm  AlarmRefOrValue[] required ->642/Alarm
        failedAlarm      FailedAlarm[]     server
        parentAlarm      AlarmRefOrValue   required ->642/Alarm
        sourceSystemId   string            required
        state            string
        unGroupedAlarm   AlarmRefOrValue[] ->642/Alarm
        """
    ),
)

ALL: Final = (ALARM, ACK_ALARMS, UN_ACK_ALARMS, CLEAR_ALARMS, COMMENT_ALARMS, GROUP_ALARMS, UN_GROUP_ALARMS)
