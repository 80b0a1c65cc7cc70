"""TMF633 as tables of facts: what the document v4.0.0 says of each resource."""

from __future__ import annotations

from typing import Final

from farwire.base.tmf import Descriptor, attributes
from farwire.catalog.api.tmf620_tables import LIFECYCLE

SERVICE_CATALOG: Final = Descriptor(
    type="ServiceCatalog",
    path="serviceCatalog",
    lifecycle=LIFECYCLE,
    events=("Create", "Change", "Delete"),
    own=attributes(
        """
        category        ServiceCategoryRef[]            ->633/ServiceCategory
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
    lifecycle=LIFECYCLE,
    events=("Create", "Change", "Delete"),
    own=attributes(
        """
        category         ServiceCategoryRef[]  ->633/ServiceCategory
        description      string
        isRoot           boolean               default=true
        lastUpdate       dateTime              changed
        lifecycleStatus  string
        name             string                required
        parentId         string
        serviceCandidate ServiceCandidateRef[] ->633/ServiceCandidate
        validFor         TimePeriod
        version          string
        """
    ),
)

SERVICE_CANDIDATE: Final = Descriptor(
    type="ServiceCandidate",
    path="serviceCandidate",
    lifecycle=LIFECYCLE,
    events=("Create", "Change", "Delete"),
    own=attributes(
        """
        category             ServiceCategoryRef[]    ->633/ServiceCategory
        description          string
        lastUpdate           dateTime                changed
        lifecycleStatus      string
        name                 string                  required
        serviceSpecification ServiceSpecificationRef required ->633/ServiceSpecification
        validFor             TimePeriod
        version              string
        """
    ),
)

SERVICE_SPECIFICATION: Final = Descriptor(
    type="ServiceSpecification",
    path="serviceSpecification",
    lifecycle=LIFECYCLE,
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

ALL: Final = (SERVICE_CATALOG, SERVICE_CATEGORY, SERVICE_CANDIDATE, SERVICE_SPECIFICATION)
