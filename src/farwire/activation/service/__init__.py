"""Apply operations to the network and read back; preview them; find drift and mend it; name elements."""

from farwire.activation.service.applying import apply, preview, read_back
from farwire.activation.service.drifting import Looked, drift, look, look_at
from farwire.activation.service.elements import MAX_ELEMENTS, list_elements, remove_element, set_element
from farwire.activation.service.findings import list_findings, list_watched, set_policy
from farwire.activation.service.quality import CLAIMS, Quality, qualities
from farwire.activation.service.reaching import reach

__all__ = [
    "CLAIMS",
    "MAX_ELEMENTS",
    "Looked",
    "Quality",
    "apply",
    "drift",
    "list_elements",
    "list_findings",
    "list_watched",
    "look",
    "look_at",
    "preview",
    "qualities",
    "reach",
    "read_back",
    "remove_element",
    "set_element",
    "set_policy",
]
