"""TMF701 as tables of facts: what the document v4.1.0 says of each resource."""

from __future__ import annotations

from typing import Final

from farwire.base.tmf import Descriptor, Inside, Operation, attributes, lifecycle

FLOW_STATES: Final = lifecycle(
    "state",
    """
    active    -> hold, completed, cancelled
    hold      -> active, cancelled
    completed ->
    cancelled ->
    """,
)

TASK_STATES: Final = lifecycle(
    "state",
    """
    new       -> active, hold, cancelled
    active    -> hold, completed, cancelled
    hold      -> active, cancelled
    completed ->
    cancelled ->
    """,
)

PROCESS_FLOW_SPECIFICATION: Final = Descriptor(
    type="ProcessFlowSpecification",
    path="processFlowSpecification",
    own=attributes(
        """
        attachment                             AttachmentRefOrValue[]
        channel                                ChannelRef[]
        description                            string
        lastUpdate                             dateTime                               changed
        lifecycleStatus                        string
        name                                   string                                 required
        processFlowSpecificationCharacteristic CharacteristicSpecification[]
        processFlowSpecificationRelationship   ProcessFlowSpecificationRelationship[]
        relatedEntitySpecification             RelatedEntitySpecification[]
        relatedParty                           RelatedPartyRefOrPartyRoleRef[]
        taskFlowSpecification                  TaskFlowSpecificationRef[]             ->701/TaskFlowSpecification
        validFor                               TimePeriod
        version                                string
        """
    ),
)

TASK_FLOW_SPECIFICATION: Final = Descriptor(
    type="TaskFlowSpecification",
    path="taskFlowSpecification",
    own=attributes(
        """
        attachment                           AttachmentRefOrValue[]
        channel                              ChannelRef[]
        description                          string
        lastUpdate                           dateTime                            changed
        lifecycleStatus                      string
        name                                 string                              required
        processFlowSpecificationRelationship TaskFlowSpecificationRelationship[]
        relatedEntitySpecification           RelatedEntitySpecification[]
        relatedParty                         RelatedPartyRefOrPartyRoleRef[]
        taskFlowSpecification                TaskFlowSpecification[]
        taskFlowSpecificationCharacteristic  CharacteristicSpecification[]
        taskFlowSpecificationRelationship    TaskFlowSpecificationRelationship[]
        taskFlowSpecificationType            string
        validFor                             TimePeriod
        version                              string
        """
    ),
)

PROCESS_FLOW: Final = Descriptor(
    type="ProcessFlow",
    path="processFlow",
    operations=frozenset({Operation.LIST, Operation.GET, Operation.CREATE, Operation.DELETE}),
    lifecycle=FLOW_STATES,
    own=attributes(
        """
        channel                     ChannelRef[]
        characteristic              Characteristic[]
        processFlowDate             dateTime                        created
        processFlowSpecification    string                          required
        processFlowSpecificationRef ProcessFlowSpecificationRef     ->701/ProcessFlowSpecification
        relatedEntity               RelatedEntity[]
        relatedParty                RelatedPartyRefOrPartyRoleRef[]
        state                       string
        taskFlow                    TaskFlowRef[] ->701/TaskFlow
        """
    ),
)

TASK_FLOW: Final = Descriptor(
    type="TaskFlow",
    path="taskFlow",
    inside=Inside("processFlow", "ProcessFlow"),
    operations=frozenset({Operation.LIST, Operation.GET, Operation.CREATE, Operation.PATCH}),
    lifecycle=TASK_STATES,
    events=("Create", "AttributeValueChange", "StateChange", "InformationRequired"),
    own=attributes(
        """
        channel                  ChannelRef[]
        characteristic           Characteristic[]
        completionDate           dateTime
        completionMethod         string
        isMandatory              boolean
        priority                 integer
        relatedEntity            RelatedEntity[]
        relatedParty             RelatedPartyRefOrPartyRoleRef[]
        requestedCompletionDate  dateTime
        requestedStartDate       dateTime
        startDate                dateTime
        state                    string
        taskFlowRelationship     TaskFlowRelationship[]
        taskFlowSpecification    string
        taskFlowSpecificationRef TaskFlowSpecificationRef        ->701/TaskFlowSpecification
        """
    ),
)

ALL: Final = (PROCESS_FLOW_SPECIFICATION, TASK_FLOW_SPECIFICATION, PROCESS_FLOW, TASK_FLOW)
