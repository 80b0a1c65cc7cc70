"""TMF671 as tables of facts: what the document v4.1.0 says of each resource."""

from __future__ import annotations

from typing import Final

from farwire.base.tmf import Descriptor, attributes

PROMOTION: Final = Descriptor(
    type="Promotion",
    path="promotion",
    own=attributes(
        """
        attachment      AttachmentRefOrValue[]
        description     string
        lastUpdate      dateTime               changed
        lifecycleStatus string
        name            string                 required
        pattern         PromotionPattern[]     fixed
        promotionType   string
        validFor        TimePeriod
        """
    ),
)

ALL: Final = (PROMOTION,)
