"""TMF914 as tables of facts: what the document v4.0.0 says of each resource."""

from __future__ import annotations

from typing import Final

from farwire.base.tmf import Descriptor, Operation, attributes, lifecycle

SERVICE_STATES: Final = lifecycle(
    "state",
    """
    feasibilityChecked -> designed, reserved, inactive, active, terminated
    designed           -> reserved, inactive, active, terminated
    reserved           -> designed, inactive, active, terminated
    inactive           -> active, designed, terminated
    active             -> inactive, terminated
    terminated         ->
    """,
)
"""Any state may be recorded; terminated is the end."""

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

TICKET_STATES: Final = lifecycle(
    "status",
    """
    acknowledged -> rejected, pending, held, inProgress, resolved, cancelled
    rejected     ->
    pending      -> inProgress, held, resolved, cancelled
    held         -> inProgress, pending, resolved, cancelled
    inProgress   -> pending, held, resolved, cancelled
    resolved     -> inProgress, closed
    cancelled    ->
    closed       ->
    """,
)
"""Resolved may be taken up again; closed is the end."""

TEST_STATES: Final = lifecycle(
    "state",
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

REPORT_STATES: Final = lifecycle(
    "status",
    """
    InProgress -> done
    done       ->
    """,
)

IOT_SERVICE: Final = Descriptor(
    type="IotService",
    path="iotService",
    lifecycle=SERVICE_STATES,
    own=attributes(
        """
        category              string
        dataAccessEndPoint    DataAccessEndpoint[]
        description           string
        endDate               dateTime
        feature               Feature[]
        hasStarted            boolean
        isBundle              boolean                         default=false
        isServiceEnabled      boolean
        isStateful            boolean
        name                  string
        note                  Note[]
        place                 RelatedPlaceRefOrValue[]
        relatedEntity         RelatedEntityRefOrValue[]
        relatedParty          RelatedPartyRefOrPartyRoleRef[]
        serviceCharacteristic Characteristic[]
        serviceDate           string
        serviceOrderItem      RelatedServiceOrderItem[]
        serviceRelationship   ServiceRelationship[]           fixed
        serviceSpecification  ServiceSpecificationRef         required ->633/ServiceSpecification
        serviceType           string
        startDate             dateTime
        startMode             string
        state                 string                          required
        supportingResource    ResourceRef[]
        supportingService     ServiceRefOrValue[]
        """
    ),
)

SERVICE_CATALOG: Final = Descriptor(
    type="ServiceCatalog",
    path="serviceCatalog",
    events=("Create", "Change", "Delete"),
    own=attributes(
        """
        category        ServiceCategoryRef[]            ->914/ServiceCategory
        description     string
        lastUpdate      dateTime                        changed
        lifecycleStatus string
        name            string                          required
        relatedParty    RelatedPartyRefOrPartyRoleRef[]
        validFor        TimePeriod
        version         string
        """
    ),
)

SERVICE_CATEGORY: Final = Descriptor(
    type="ServiceCategory",
    path="serviceCategory",
    events=("Create", "Change", "Delete"),
    own=attributes(
        """
        category         ServiceCategoryRef[]  ->914/ServiceCategory
        description      string
        isRoot           boolean               default=true
        lastUpdate       dateTime              changed
        lifecycleStatus  string
        name             string                required
        parentId         string
        serviceCandidate ServiceCandidateRef[] ->914/ServiceCandidate
        validFor         TimePeriod
        version          string
        """
    ),
)

SERVICE_CANDIDATE: Final = Descriptor(
    type="ServiceCandidate",
    path="serviceCandidate",
    events=("Create", "Change", "Delete"),
    own=attributes(
        """
        category             ServiceCategoryRef[]    ->914/ServiceCategory
        description          string
        lastUpdate           dateTime                changed
        lifecycleStatus      string
        name                 string                  required
        serviceSpecification ServiceSpecificationRef ->633/ServiceSpecification
        validFor             TimePeriod
        version              string
        """
    ),
)

SERVICE_QUALIFICATION: Final = Descriptor(
    type="ServiceQualification",
    path="serviceQualification",
    lifecycle=TASK_STATES,
    events=("Create", "Change", "Delete"),
    own=attributes(
        """
        description                string
        effectiveQualificationDate dateTime
        estimatedResponseDate      dateTime
        expectedQualificationDate  dateTime
        expirationDate             dateTime
        externalId                 string
        instantSyncQualification   boolean
        relatedParty               RelatedPartyRefOrPartyRoleRef[]
        state                      string
        """
    ),
)

SERVICE_PROBLEM: Final = Descriptor(
    type="ServiceProblem",
    path="serviceProblem",
    lifecycle=TICKET_STATES,
    events=("Create", "AttributeValueChange", "StateChange", "InformationRequired"),
    own=attributes(
        """
        affectedNumberOfServices integer
        affectedResource         ResourceRef[]
        affectedService          ServiceRef[]
        category                 string                          required
        characteristic           Characteristic[]
        creationDate             dateTime                        created
        description              string                          required
        externalId               ExternalIdentifier[]
        firstAlert               RelatedEntity                   fixed
        impactImportanceFactor   string
        impactPattern            ImpactPattern
        lastUpdate               dateTime                        changed
        name                     string
        note                     Note[]
        originatingSystem        string                          fixed
        originatorParty          RelatedPartyRefOrPartyRoleRef   required
        parentProblem            ServiceProblemRef[]             ->914/ServiceProblem
        place                    RelatedPlace[]
        priority                 integer                         required
        problemEscalation        string
        reason                   string                          required
        relatedEntity            RelatedEntity[]
        relatedEvent             EventRef[]
        relatedParty             RelatedPartyRefOrPartyRoleRef[]
        resolutionDate           dateTime
        responsibleParty         RelatedPartyRefOrPartyRoleRef
        rootCauseResource        ResourceRef[]
        rootCauseService         ServiceRef[]
        slaViolation             SLAViolationRef[]
        status                   string
        statusChangeDate         dateTime
        statusChangeReason       string
        trackingRecord           TrackingRecord[]                fixed
        troubleTicket            TroubleTicketRef[]              ->621/TroubleTicket
        underlyingAlarm          ResourceAlarmRef[]
        underlyingProblem        ServiceProblemRef[]             ->914/ServiceProblem
        """
    ),
)

IOT_SERVICE_SPECIFICATION: Final = Descriptor(
    type="IotServiceSpecification",
    path="iotServiceSpecification",
    events=("Create", "Change", "Delete"),
    own=attributes(
        """
        attachment                AttachmentRefOrValue[]
        constraint                ConstraintRef[]
        description               string
        entitySpecRelationship    EntitySpecificationRelationship[]
        featureSpecification      FeatureSpecification[]
        isBundle                  boolean                           default=false
        lastUpdate                dateTime                          changed
        lifecycleStatus           string
        name                      string                            required
        relatedParty              RelatedPartyRefOrPartyRoleRef[]
        resourceSpecification     ResourceSpecificationRef[]        ->634/ResourceSpecification
        serviceLevelSpecification ServiceLevelSpecificationRef[]    ->657/ServiceLevelSpecification
        serviceSpecRelationship   ServiceSpecRelationship[]
        specCharacteristic        CharacteristicSpecification[]
        targetEntitySchema        TargetEntitySchema
        validFor                  TimePeriod
        version                   string
        """
    ),
)

SERVICE_TEST: Final = Descriptor(
    type="ServiceTest",
    path="serviceTest",
    lifecycle=TEST_STATES,
    events=("Create", "AttributeValueChange", "Delete"),
    own=attributes(
        """
        characteristic    Characteristic[]
        description       string
        endDateTime       dateTime
        mode              string
        name              string                          required
        relatedParty      RelatedPartyRefOrPartyRoleRef[]
        relatedService    ServiceRef                      required
        startDateTime     dateTime
        state             string
        testMeasure       TestMeasure[]
        testSpecification ServiceTestSpecificationRef     required ->914/ServiceTestSpecification
        validFor          TimePeriod
        """
    ),
)

SERVICE_TEST_SPECIFICATION: Final = Descriptor(
    type="ServiceTestSpecification",
    path="serviceTestSpecification",
    events=("Create", "AttributeValueChange", "Delete"),
    own=attributes(
        """
        attachment                  AttachmentRefOrValue[]
        constraint                  ConstraintRef[]
        description                 string
        entitySpecRelationship      EntitySpecificationRelationship[]
        isBundle                    boolean                           default=false
        lastUpdate                  dateTime                          changed
        lifecycleStatus             string
        name                        string                            required
        relatedParty                RelatedPartyRefOrPartyRoleRef[]
        relatedServiceSpecification ServiceSpecificationRef[]         required ->633/ServiceSpecification
        serviceTestSpecRelationship ServiceTestSpecRelationship[]
        specCharacteristic          CharacteristicSpecification[]
        targetEntitySchema          TargetEntitySchema
        testMeasureDefinition       TestMeasureDefinition[]
        validFor                    TimePeriod                        fixed
        version                     string
        """
    ),
)

USAGE_CONSUMPTION_REPORT_REQUEST: Final = Descriptor(
    type="UsageConsumptionReportRequest",
    path="usageConsumptionReportRequest",
    operations=frozenset({Operation.LIST, Operation.GET, Operation.CREATE, Operation.DELETE}),
    lifecycle=REPORT_STATES,
    events=("StateChange",),
    own=attributes(
        """
        bucket                 UsageVolumeProductRef[]
        creationDate           dateTime                        created
        lastUpdate             dateTime                        changed
        product                NetworkProductRef
        relatedParty           RelatedPartyRefOrPartyRoleRef[]
        status                 string
        usageConsumptionReport UsageConsumptionReportRef       ->914/UsageConsumptionReport
        validPeriod            TimePeriod
        """
    ),
)

USER: Final = Descriptor(
    type="User",
    path="user",
    operations=frozenset({Operation.LIST, Operation.GET, Operation.CREATE, Operation.DELETE}),
    events=("Create", "Change", "Delete"),
    own=attributes(
        """
        description string
        """
    ),
)

USAGE_CONSUMPTION_REPORT: Final = Descriptor(
    type="UsageConsumptionReport",
    path="usageConsumptionReport",
    operations=frozenset({Operation.LIST, Operation.GET, Operation.DELETE}),
    events=(),
    own=attributes(
        """
        bucket        UsageVolumeProduct[]
        description   string
        effectiveDate dateTime
        name          string
        relatedParty  RelatedPartyRefOrPartyRoleRef
        """
    ),
)

ALL: Final = (
    IOT_SERVICE,
    SERVICE_CATALOG,
    SERVICE_CATEGORY,
    SERVICE_CANDIDATE,
    SERVICE_QUALIFICATION,
    SERVICE_PROBLEM,
    IOT_SERVICE_SPECIFICATION,
    SERVICE_TEST,
    SERVICE_TEST_SPECIFICATION,
    USAGE_CONSUMPTION_REPORT_REQUEST,
    USER,
    USAGE_CONSUMPTION_REPORT,
)
