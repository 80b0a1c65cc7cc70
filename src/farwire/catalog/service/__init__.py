"""Use cases of the catalogue. Import its public functions from here."""

from farwire.catalog.service.documents import (
    change_lifecycle,
    document_versions,
    entry,
    list_entries,
    publications,
)
from farwire.catalog.service.plans import (
    OPERATOR,
    Published,
    list_offerings,
    offering,
    offering_by_id,
    page_of_offerings,
    plan_versions,
    publish_plan,
    version_in_force,
    versions_by_code,
)
from farwire.catalog.service.publish import PublishedCatalogue, PublishedItem, publish_catalogue
from farwire.catalog.service.sale import (
    NotEligible,
    NotSold,
    as_sold,
    check_combination,
    offering_to_sell,
    offerings_for,
    offerings_to_sell,
    specifications_of,
)
from farwire.catalog.store.listing import Publication

__all__ = [
    "OPERATOR",
    "NotEligible",
    "NotSold",
    "Publication",
    "Published",
    "PublishedCatalogue",
    "PublishedItem",
    "as_sold",
    "change_lifecycle",
    "check_combination",
    "document_versions",
    "entry",
    "list_entries",
    "list_offerings",
    "offering",
    "offering_by_id",
    "offering_to_sell",
    "offerings_for",
    "offerings_to_sell",
    "page_of_offerings",
    "plan_versions",
    "publications",
    "publish_catalogue",
    "publish_plan",
    "specifications_of",
    "version_in_force",
    "versions_by_code",
]
