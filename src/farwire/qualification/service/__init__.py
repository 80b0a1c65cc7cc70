"""Use cases of qualification. Import its public functions from here."""

from farwire.qualification.service.asker import asker_of, region_at
from farwire.qualification.service.coverage import facts_at, import_coverage, list_coverage, set_coverage
from farwire.qualification.service.offerings import Wish, qualified_offerings, qualify
from farwire.qualification.service.services import qualified_specifications, specification_at

__all__ = [
    "Wish",
    "asker_of",
    "facts_at",
    "import_coverage",
    "list_coverage",
    "qualified_offerings",
    "qualified_specifications",
    "qualify",
    "region_at",
    "set_coverage",
    "specification_at",
]
