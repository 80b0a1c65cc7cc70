"""TMF634 as tables of facts: what the documents v4.1.0 and v5.0.0 say of each resource."""

from __future__ import annotations

from typing import Final

from farwire.base.tmf import Descriptor, Part, attributes, lifecycle

CHARACTERISTIC: Final = Part(
    attributes(
        """
        id                               string
        name                             string
        valueType                        string
        configurable                     boolean
        description                      string
        extensible                       boolean
        isUnique                         boolean
        maxCardinality                   integer
        minCardinality                   integer
        regex                            string
        validFor                         TimePeriod
        charSpecRelationship             any[] v4=resourceSpecCharRelationship
        characteristicValueSpecification any[] v4=resourceSpecCharacteristicValue
        """
    ),
    v4_type="ResourceSpecificationCharacteristic",
)

RESOURCE_LIFECYCLE: Final = lifecycle(
    "lifecycleStatus",
    """
    In study  -> In design, Rejected
    In design -> In study, In test, Rejected
    In test   -> In design, Active, Rejected
    Active    -> Launched, Retired
    Launched  -> Active, Retired
    Retired   -> Active, Launched, Obsolete
    Rejected  -> In study, In design
    Obsolete  ->
    Tentative -> In study, In design, Active, Rejected
    """,
)
"""That of TMF620; the examples of TMF634 also have Tentative."""

RESOURCE_CANDIDATE: Final = Descriptor(
    type="ResourceCandidate",
    path="resourceCandidate",
    lifecycle=RESOURCE_LIFECYCLE,
    events=("Create", "AttributeValueChange", "StatusChange", "Delete"),
    v4_events={"AttributeValueChange": "Change"},
    own=attributes(
        """
        category              ResourceCategoryRef[]    ->634/ResourceCategory
        description           string
        externalIdentifier    ExternalIdentifier[]     v5
        lastUpdate            dateTime                 changed
        lifecycleStatus       string
        name                  string                   required
        resourceSpecification ResourceSpecificationRef ->634/ResourceSpecification
        validFor              TimePeriod
        version               string
        """
    ),
)

RESOURCE_CATALOG: Final = Descriptor(
    type="ResourceCatalog",
    path="resourceCatalog",
    lifecycle=RESOURCE_LIFECYCLE,
    events=("Create", "AttributeValueChange", "StatusChange", "Delete"),
    v4_events={"AttributeValueChange": "Change"},
    own=attributes(
        """
        catalogType        string                          v5
        category           ResourceCategoryRef[]           ->634/ResourceCategory
        description        string
        externalIdentifier ExternalIdentifier[]            v5
        lastUpdate         dateTime                        changed
        lifecycleStatus    string
        name               string                          required
        relatedParty       RelatedPartyRefOrPartyRoleRef[]
        validFor           TimePeriod
        version            string
        """
    ),
)

RESOURCE_CATEGORY: Final = Descriptor(
    type="ResourceCategory",
    path="resourceCategory",
    lifecycle=RESOURCE_LIFECYCLE,
    events=("Create", "AttributeValueChange", "StatusChange", "Delete"),
    v4_events={"AttributeValueChange": "Change"},
    own=attributes(
        """
        category              ResourceCategoryRef[]           ->634/ResourceCategory
        description           string
        externalIdentifier    ExternalIdentifier[]            v5
        isRoot                boolean                         default=true
        lastUpdate            dateTime                        changed
        lifecycleStatus       string
        name                  string                          required
        parentId              string
        relatedParty          RelatedPartyRefOrPartyRoleRef[]
        resourceCandidate     ResourceCandidateRef[]          ->634/ResourceCandidate
        resourceSpecification ResourceSpecificationRef[]      v5 ->634/ResourceSpecification
        validFor              TimePeriod
        version               string
        """
    ),
)

RESOURCE_SPECIFICATION: Final = Descriptor(
    type="ResourceSpecification",
    path="resourceSpecification",
    lifecycle=RESOURCE_LIFECYCLE,
    events=("Create", "AttributeValueChange", "StatusChange", "Delete"),
    v4_events={"AttributeValueChange": "Change"},
    parts={"CharacteristicSpecification": CHARACTERISTIC},
    own=attributes(
        """
        attachment                 AttachmentRefOrValue[]
        category                   string
        description                string
        externalIdentifier         ExternalIdentifier[]                v5
        featureSpecification       FeatureSpecification[]
        intentSpecification        IntentSpecificationRef              v5
        isBundle                   boolean                             default=false
        lastUpdate                 dateTime                            changed
        lifecycleStatus            string
        name                       string                              required
        relatedParty               RelatedPartyRefOrPartyRoleRef[]
        resourceSpecCharacteristic CharacteristicSpecification[]
        resourceSpecRelationship   ResourceSpecificationRelationship[]
        targetResourceSchema       TargetResourceSchema
        validFor                   TimePeriod
        version                    string
        """
    ),
)

ALL: Final = (RESOURCE_CANDIDATE, RESOURCE_CATALOG, RESOURCE_CATEGORY, RESOURCE_SPECIFICATION)
