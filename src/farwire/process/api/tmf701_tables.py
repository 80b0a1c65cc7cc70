"""TMF701 as tables of facts: what the document v4.1.0 says of each resource."""

from __future__ import annotations

from typing import Final

from farwire.base.tmf import Descriptor, Operation, attributes, lifecycle

FLOW_STATES: Final = lifecycle(
    "state",
    """
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
        taskFlow                    TaskFlowRef[]
        """
    ),
)

ALL: Final = (PROCESS_FLOW_SPECIFICATION, TASK_FLOW_SPECIFICATION, PROCESS_FLOW)
