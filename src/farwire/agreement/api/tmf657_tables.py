"""TMF657 as tables of facts: what the document v4.0.0 says of each resource."""

from __future__ import annotations

from typing import Final

from farwire.base.tmf import Descriptor, attributes

SERVICE_LEVEL_OBJECTIVE: Final = Descriptor(
    type="ServiceLevelObjective",
    path="serviceLevelObjective",
    events=("Create", "AttributeValueChange", "Delete"),
    own=attributes(
        """
        conformanceComparator            string                        required
        conformancePeriod                TimePeriod
        conformanceTarget                string                        required
        graceTimes                       string
        name                             string
        serviceLevelObjectiveConsequence ServiceLevelSpecConsequence[]
        serviceLevelObjectiveParameter   ServiceLevelSpecParameter     required
        thresholdTarget                  string
        tolerancePeriod                  TimePeriod
        toleranceTarget                  string
        validFor                         TimePeriod                    fixed
        """
    ),
)

SERVICE_LEVEL_SPECIFICATION: Final = Descriptor(
    type="ServiceLevelSpecification",
    path="serviceLevelSpecification",
    events=("Create", "AttributeValueChange", "Delete"),
    own=attributes(
        """
        description                  string
        name                         string                     required
        relatedServiceLevelObjective ServiceLevelObjectiveRef[] required ->657/ServiceLevelObjective
        validFor                     TimePeriod                 fixed
        """
    ),
)

ALL: Final = (SERVICE_LEVEL_OBJECTIVE, SERVICE_LEVEL_SPECIFICATION)
