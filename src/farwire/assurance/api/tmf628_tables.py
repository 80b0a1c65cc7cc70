"""TMF628 as tables of facts: what the document v4.0.0 says of each resource."""

from __future__ import annotations

from typing import Final

from farwire.base.tmf import Descriptor, Operation, attributes, lifecycle

READ: Final = frozenset({Operation.LIST, Operation.GET})

EXECUTION: Final = lifecycle(
    "executionState",
    """
    acknowledged -> rejected, pending, inProgress, cancelled, failed
    rejected     ->
    pending      -> inProgress, cancelled, failed
    inProgress   -> pending, completed, cancelled, failed
    cancelled    ->
    completed    ->
    failed       ->
    """,
)
"""ExecutionStateType of the document."""

MEASUREMENT_COLLECTION_JOB: Final = Descriptor(
    type="MeasurementCollectionJob",
    path="measurementCollectionJob",
    lifecycle=EXECUTION,
    events=(
        "Create",
        "AttributeValueChange",
        "Delete",
        "ExecutionStateChange",
        "FilesPreparationError",
        "FilesReady",
    ),
    own=attributes(
        """
        adminState                             string
        consumingApplicationId                 string
        creationTime                           dateTime                                      created
        executionState                         string
        fileTransferData                       FileTransferData[]                            required
        granularity                            string
        jobId                                  string
        jobPriority                            integer
        lastModifiedTime                       dateTime                                      changed
        monitoredClassCriteria                 MonitoredClassCriteria
        monitoredInstancesCriteria             MonitoredInstancesCriteria
        outputFormat                           string
        performanceIndicatorGroupSpecification PerformanceIndicatorGroupSpecification[]
        performanceIndicatorSpecification      PerformanceIndicatorSpecificationRefOrValue[] ->628/PerformanceIndicatorSpecification
        producingApplicationId                 string
        reportingPeriod                        string
        scheduleDefinition                     ScheduleDefinition
        trackingRecord                         TrackingRecord[]
        """  # noqa: E501 - names of the standard
    ),
)

ON_DEMAND_COLLECTION: Final = Descriptor(
    type="OnDemandCollection",
    path="onDemandCollection",
    lifecycle=EXECUTION,
    events=(
        "Create",
        "AttributeValueChange",
        "Delete",
        "ExecutionStateChange",
        "FilesPreparationError",
        "FilesReady",
    ),
    own=attributes(
        """
        adminState                             string
        collectionPeriod                       TimePeriod
        consumingApplicationId                 string
        creationTime                           dateTime                                      created
        executionState                         string
        fileTransferData                       FileTransferData[]                            required
        granulatiry                            string
        jobId                                  string
        jobPriority                            integer
        lastModifiedTime                       dateTime                                      changed
        monitoredClassCriteria                 MonitoredClassCriteria
        monitoredInstancesCriteria             MonitoredInstancesCriteria
        outputFormat                           string
        performanceIndicatorGroupSpecification PerformanceIndicatorGroupSpecification[]
        performanceIndicatorSpecification      PerformanceIndicatorSpecificationRefOrValue[] ->628/PerformanceIndicatorSpecification
        producingApplicationId                 string
        scheduleDefinition                     ScheduleDefinition
        trackingRecord                         TrackingRecord[]
        """  # noqa: E501 - names of the standard
    ),
)

PERFORMANCE_INDICATOR_GROUP_SPECIFICATION: Final = Descriptor(
    type="PerformanceIndicatorGroupSpecification",
    path="performanceIndicatorGroupSpecification",
    events=(),
    own=attributes(
        """
        name                              string                                 required
        performanceIndicatorSpecification PerformanceIndicatorSpecificationRef[] required ->628/PerformanceIndicatorSpecification
        """  # noqa: E501 - names of the standard
    ),
)

PERFORMANCE_INDICATOR_SPECIFICATION: Final = Descriptor(
    type="PerformanceIndicatorSpecification",
    path="performanceIndicatorSpecification",
    events=(),
    own=attributes(
        """
        collectionType                       string
        derivationAlgorithm                  string
        derivationMethod                     string
        description                          string
        indicatorCategory                    string
        indicatorType                        string
        indicatorUnit                        string
        name                                 string
        performanceIndicatorSpecRelationship PerformanceIndicatorSpecRelationship[]
        perspective                          string
        validFor                             TimePeriod
        """
    ),
)

TRACKING_RECORD: Final = Descriptor(
    type="TrackingRecord",
    path="trackingRecord",
    operations=READ,
    events=(),
    own=attributes(
        """
        characteristic Characteristic[]
        description    string
        systemId       string
        time           dateTime
        user           string
        """
    ),
)

ALL: Final = (
    MEASUREMENT_COLLECTION_JOB,
    ON_DEMAND_COLLECTION,
    PERFORMANCE_INDICATOR_GROUP_SPECIFICATION,
    PERFORMANCE_INDICATOR_SPECIFICATION,
    TRACKING_RECORD,
)
