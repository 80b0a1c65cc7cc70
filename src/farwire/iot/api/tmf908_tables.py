"""TMF908 as tables of facts: what the document v4.0.0 says of each resource."""

from __future__ import annotations

from typing import Final

from farwire.base.tmf import Descriptor, Operation, attributes, lifecycle

READ: Final = frozenset({Operation.LIST, Operation.GET})

ALARM_STATES: Final = lifecycle(
    "state",
    """
    raised  -> updated, cleared
    updated -> raised, cleared
    cleared -> raised
    """,
)
"""X.733: a cleared alarm may be raised again."""

IOT_DEVICE: Final = Descriptor(
    type="IotDevice",
    path="iotDevice",
    events=("Create", "Change", "StateChange", "Delete", "HeartBeat"),
    own=attributes(
        """
        address               Address
        alternateName         string
        areaServed            string
        batteryLevel          number
        category              CategoryType[]                  required
        characteristic        ResourceCharacteristic[]
        configuration         Configuration
        dataAccessEndPoint    DataAccessEndpoint[]
        dataProvider          string
        dateCreated           dateTime                        created
        dateFirstUsed         dateTime
        dateInstalled         dateTime
        dateLastCalibration   dateTime
        dateLastValueReported dateTime
        dateManufactured      dateTime
        dateModified          dateTime                        changed
        description           string
        deviceState           string
        deviceType            string
        endDate               dateTime
        firmwareVersion       string
        hardwareVersion       string
        lifecycleState        string
        location              GeographicLocation
        macAddress            MacAddressType[]
        manufactureDate       dateTime
        mnc                   string
        name                  string
        note                  Note[]
        osVersion             string
        partyRole             PartyRoleRef[] ->669/PartyRole
        place                 Place
        powerState            string
        provider              string
        relatedParty          RelatedPartyRefOrPartyRoleRef[]
        resourceRelationship  ResourceRelationship[]
        rule                  Rule[]
        serialNumber          string
        softwareVersion       string
        source                string
        startDate             dateTime
        value                 string
        version               string
        versionNumber         string
        """
    ),
)

DATA_ACCESS_ENDPOINT: Final = Descriptor(
    type="DataAccessEndpoint",
    path="dataAccessEndpoint",
    operations=READ,
    events=(),
    own=attributes(
        """
        apiType              string
        category             string
        characteristic       ResourceCharacteristic[]
        description          string
        endDate              dateTime
        lifecycleState       string
        name                 string
        note                 Note[]
        partyRole            PartyRoleRef[] ->669/PartyRole
        place                Place
        relatedParty         RelatedPartyRefOrPartyRoleRef[]
        resourceRelationship ResourceRelationship[]
        startDate            dateTime
        uri                  string
        value                string
        version              string
        """
    ),
)

IOT_DEVICE_SPECIFICATION: Final = Descriptor(
    type="IotDeviceSpecification",
    path="iotDeviceSpecification",
    events=("Create", "Change", "Delete"),
    own=attributes(
        """
        attachment                 AttachmentRef[]
        description                string
        isBundle                   boolean                         default=false
        lastUpdate                 dateTime                        changed
        lifecycleStatus            string
        name                       string                          required
        relatedParty               RelatedPartyRefOrPartyRoleRef[]
        resourceSpecCharacteristic ResourceSpecCharacteristic[]
        resourceSpecRelationship   ResourceSpecRelationship[]
        resourceSpecification      ResourceSpecificationRef[]      ->908/ResourceSpecification
        targetServiceSchema        TargetServiceSchema
        validFor                   TimePeriod
        version                    string
        """
    ),
)

IOT_DATA_EVENT: Final = Descriptor(
    type="IotDataEvent",
    path="iotDataEvent",
    operations=READ,
    events=(),
    own=attributes(
        """
        correlationId string
        description   string
        domain        string
        event         Any
        eventId       string
        eventTime     dateTime
        eventType     string
        priority      string
        timeOcurred   dateTime
        title         string
        """
    ),
)

IOT_MANAGEMENT_EVENT: Final = Descriptor(
    type="IotManagementEvent",
    path="iotManagementEvent",
    operations=READ,
    events=(),
    own=attributes(
        """
        correlationId string
        description   string
        domain        string
        event         Any
        eventId       string
        eventTime     dateTime
        eventType     string
        priority      string
        timeOcurred   dateTime
        title         string
        """
    ),
)

RESOURCE_SPECIFICATION: Final = Descriptor(
    type="ResourceSpecification",
    path="resourceSpecification",
    events=("Create", "Change", "Delete"),
    own=attributes(
        """
        attachment                 AttachmentRef[]
        description                string
        isBundle                   boolean                         default=false
        lastUpdate                 dateTime                        changed
        lifecycleStatus            string
        name                       string                          required
        relatedParty               RelatedPartyRefOrPartyRoleRef[]
        resourceSpecCharacteristic ResourceSpecCharacteristic[]
        resourceSpecRelationship   ResourceSpecRelationship[]
        resourceSpecification      ResourceSpecificationRef[]      ->908/ResourceSpecification
        targetServiceSchema        TargetServiceSchema
        validFor                   TimePeriod
        version                    string
        """
    ),
)

ALARM: Final = Descriptor(
    type="Alarm",
    path="alarm",
    operations=frozenset({Operation.LIST, Operation.GET, Operation.CREATE, Operation.PATCH}),
    lifecycle=ALARM_STATES,
    events=("Create", "Change", "Delete"),
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
        alarmRaisedTime             dateTime
        alarmReportingTime          dateTime                    created
        alarmType                   string
        alarmedObject               AlarmedObject
        alarmedObjectType           string
        clearSystemId               string
        clearUserId                 string
        comment                     Comment[]
        correlatedAlarm             AlarmRef[]                  ->908/Alarm
        crossedThresholdInformation CrossedThresholdInformation
        externalAlarmId             string
        isRootCause                 boolean
        parentAlarm                 AlarmRef[]                  ->908/Alarm
        perceivedSeverity           string
        place                       RelatedPlaceRefOrValue[]
        plannedOutageIndicator      string
        probableCause               string
        proposedRepairedActions     string
        reportingSystemId           string
        serviceAffecting            boolean
        sourceSystemId              string
        specificProblem             string
        state                       string
        """
    ),
)

ALL: Final = (
    IOT_DEVICE,
    DATA_ACCESS_ENDPOINT,
    IOT_DEVICE_SPECIFICATION,
    IOT_DATA_EVENT,
    IOT_MANAGEMENT_EVENT,
    RESOURCE_SPECIFICATION,
    ALARM,
)
