"""TMF620 as tables of facts: what the documents v4.1.0 and v5.0.0 say of each resource."""

from __future__ import annotations

from typing import Final

from farwire.base.tmf import Descriptor, Part, attributes, lifecycle

LIFECYCLE: Final = lifecycle(
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
    """,
)
"""TMF620 §Lifecycle Management Use Cases, and the ways back that operators take."""

OF_OFFERINGS: Final = lifecycle(
    "lifecycleStatus",
    """
    In study  -> In design, Rejected
    In design -> In study, In test, Rejected
    In test   -> In design, Active, Rejected
    Active    -> Launched, Retired
    Launched  -> Retired
    Retired   -> Launched, Obsolete
    Rejected  -> In study, In design
    Obsolete  ->
    """,
)
"""The same of what is sold: from Active on as the catalogue has it (``model/lifecycle.py``)."""

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
        charSpecRelationship             any[] v4=productSpecCharRelationship
        characteristicValueSpecification any[] v4=productSpecCharacteristicValue
        """
    ),
    v4_type="ProductSpecificationCharacteristic",
)

CATEGORY: Final = Descriptor(
    type="Category",
    path="category",
    lifecycle=LIFECYCLE,
    own=attributes(
        """
        description     string
        isRoot          boolean              default=true
        lastUpdate      dateTime             changed
        lifecycleStatus string
        name            string               required
        parent          CategoryRef          v5 ->620/Category
        parentId        string               v4
        productOffering ProductOfferingRef[] ->620/ProductOffering
        subCategory     CategoryRef[]        ->620/Category
        validFor        TimePeriod
        version         string
        """
    ),
)

CATALOG: Final = Descriptor(
    type="ProductCatalog",
    path="productCatalog",
    v4_type="Catalog",
    v4_path="catalog",
    lifecycle=LIFECYCLE,
    own=attributes(
        """
        catalogType     string
        category        CategoryRef[]                   ->620/Category
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

OFFERING: Final = Descriptor(
    type="ProductOffering",
    path="productOffering",
    lifecycle=OF_OFFERINGS,
    parts={"CharacteristicSpecification": CHARACTERISTIC},
    own=attributes(
        """
        agreement                     AgreementRef[]
        allowedAction                 AllowedProductAction[]        v5
        attachment                    AttachmentRefOrValue[]
        bundledGroupProductOffering   BundledGroupProductOffering[] v5
        bundledProductOffering        BundledProductOffering[]      ->620/ProductOffering
        category                      CategoryRef[]                 ->620/Category
        channel                       ChannelRef[]
        code                          string
        description                   string
        externalIdentifier            ExternalIdentifier[]          v5
        isBundle                      boolean                       default=false
        isSellable                    boolean                       default=true
        lastUpdate                    dateTime                      changed required=v5
        lifecycleStatus               string                        required=v5
        marketSegment                 MarketSegmentRef[]
        name                          string                        required
        place                         PlaceRef[] ->regions/Place
        policy                        PolicyRef[]                   v5
        pricePlan                     PricePlanVersion[]            server
        prodSpecCharValueUse          ProductSpecificationCharacteristicValueUse[]
        productOfferingCharacteristic CharacteristicSpecification[] v5
        productOfferingPrice          ProductOfferingPriceRefOrValue[] ->620/ProductOfferingPrice
        productOfferingRelationship   ProductOfferingRelationship[] ->620/ProductOffering
        productOfferingTerm           ProductOfferingTerm[]
        productSpecification          ProductSpecificationRef       ->620/ProductSpecification
        resourceCandidate             ResourceCandidateRef ->634/ResourceCandidate
        serviceCandidate              ServiceCandidateRef ->633/ServiceCandidate
        serviceLevelAgreement         SLARef
        statusReason                  string
        validFor                      TimePeriod
        version                       string
        """
    ),
)

PRICE: Final = Descriptor(
    type="ProductOfferingPrice",
    path="productOfferingPrice",
    lifecycle=LIFECYCLE,
    own=attributes(
        """
        bundledPopRelationship      BundledProductOfferingPriceRelationship[]
        constraint                  ConstraintRef[]          v4
        description                 string
        externalIdentifier          ExternalIdentifier[]     v5
        isBundle                    boolean                  default=false
        lastUpdate                  dateTime                 changed required=v5
        lifecycleStatus             string                   required=v5
        name                        string                   required
        percentage                  number
        place                       PlaceRef[] ->regions/Place
        policy                      PolicyRef[]              v5
        popRelationship             ProductOfferingPriceRelationship[]
        price                       Money
        priceType                   string                   required=v5
        pricingLogicAlgorithm       PricingLogicAlgorithm[]
        prodSpecCharValueUse        ProductSpecificationCharacteristicValueUse[]
        productOfferingTerm         ProductOfferingTerm[]
        recurringChargePeriodLength integer
        recurringChargePeriodType   string
        tax                         TaxItem[]
        unitOfMeasure               Quantity
        validFor                    TimePeriod
        version                     string
        """
    ),
)

SPECIFICATION: Final = Descriptor(
    type="ProductSpecification",
    path="productSpecification",
    lifecycle=LIFECYCLE,
    parts={"CharacteristicSpecification": CHARACTERISTIC},
    own=attributes(
        """
        attachment                       AttachmentRefOrValue[]
        brand                            string
        bundledProductSpecification      BundledProductSpecification[]
        category                         CategoryRef[]                    v5 ->620/Category
        description                      string
        externalIdentifier               ExternalIdentifier[]             v5
        intentSpecification              IntentSpecificationRef           v5
        isBundle                         boolean                          default=false
        lastUpdate                       dateTime                         changed required=v5
        lifecycleStatus                  string                           required=v5
        name                             string                           required
        policy                           PolicyRef[]                      v5
        productNumber                    string
        productSpecCharacteristic        CharacteristicSpecification[]
        productSpecificationRelationship ProductSpecificationRelationship[]
        relatedParty                     RelatedPartyRefOrPartyRoleRef[]
        resourceSpecification            ResourceSpecificationRef[] ->catalogue/ResourceSpecification
        serviceSpecification             ServiceSpecificationRef[]
        targetProductSchema              TargetProductSchema
        validFor                         TimePeriod
        version                          string
        """
    ),
)
