"""TMF649 as tables of facts: what the document v5.0.0 says of each resource."""

from __future__ import annotations

from typing import Final

from farwire.base.tmf import Descriptor, attributes, lifecycle

JOB_STATES: Final = lifecycle(
    "executionState",
    """
    Active    -> Suspended, Failed, Completed
    Suspended -> Active, Failed, Completed
    Failed    ->
    Completed ->
    """,
)

THRESHOLD: Final = Descriptor(
    type="Threshold",
    path="threshold",
    events=("Create", "AttributeValueChange", "Delete"),
    own=attributes(
        """
        description   string
        name          string             required
        thresholdRule ThresholdRuleRef[] required ->649/ThresholdRule
        """
    ),
)

THRESHOLD_JOB: Final = Descriptor(
    type="ThresholdJob",
    path="thresholdJob",
    lifecycle=JOB_STATES,
    own=attributes(
        """
        adminState               string
        creationDate             dateTime                   created
        executionState           string
        granularity              string                     required
        jobPriority              integer
        lastUpdate               dateTime                   changed
        monitoredObjectsCriteria MonitoredObjectsCriteria[]
        performanceThreshold     ThresholdRef               ->649/Threshold
        scheduleDefinition       ScheduleDefinition
        trackingRecord           string
        """
    ),
)

THRESHOLD_RULE: Final = Descriptor(
    type="ThresholdRule",
    path="thresholdRule",
    events=("Create", "AttributeValueChange", "Delete"),
    own=attributes(
        """
        condition                                 string                        required
        consequence                               Consequence[]
        measurement                               PerformanceMeasurementRef
        name                                      string                        required
        perfAlarmSpecThresholdCrossingDescription string
        performanceAlarmSpecification             PerformanceAlarmSpecification
        severity                                  string                        required
        """
    ),
)

ALL: Final = (THRESHOLD, THRESHOLD_JOB, THRESHOLD_RULE)
