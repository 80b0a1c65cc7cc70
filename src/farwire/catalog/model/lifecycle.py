"""The life of what is in the catalogue: one table says which state may follow which."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from farwire.kernel.errors import Conflict


class Lifecycle(StrEnum):
    """The states of a specification or an offering. Source: TMF620, lifecycle status."""

    IN_STUDY = "in_study"
    IN_DESIGN = "in_design"
    IN_TEST = "in_test"
    ACTIVE = "active"
    """Complete and accepted; it can be sold."""
    LAUNCHED = "launched"
    """On the market; it can be sold."""
    RETIRED = "retired"
    """Sold to nobody any more; who has it keeps it."""
    OBSOLETE = "obsolete"
    """Nobody has it any more."""
    REJECTED = "rejected"

    @property
    def sellable(self) -> bool:
        """Return whether what is in this state can be sold."""
        return self in (Lifecycle.ACTIVE, Lifecycle.LAUNCHED)


TRANSITIONS: Final[Mapping[Lifecycle, frozenset[Lifecycle]]] = {
    Lifecycle.IN_STUDY: frozenset({Lifecycle.IN_DESIGN, Lifecycle.REJECTED}),
    Lifecycle.IN_DESIGN: frozenset({Lifecycle.IN_STUDY, Lifecycle.IN_TEST, Lifecycle.REJECTED}),
    Lifecycle.IN_TEST: frozenset({Lifecycle.IN_DESIGN, Lifecycle.ACTIVE, Lifecycle.REJECTED}),
    Lifecycle.ACTIVE: frozenset({Lifecycle.LAUNCHED, Lifecycle.RETIRED}),
    Lifecycle.LAUNCHED: frozenset({Lifecycle.RETIRED}),
    # DEVIATES: TMF620 lifecycle, retired only becomes obsolete, because an offering retired by mistake would
    # otherwise have to be sold again under another code.
    Lifecycle.RETIRED: frozenset({Lifecycle.LAUNCHED, Lifecycle.OBSOLETE}),
    Lifecycle.OBSOLETE: frozenset(),
    Lifecycle.REJECTED: frozenset({Lifecycle.IN_STUDY, Lifecycle.IN_DESIGN}),
}


def move(code: str, present: Lifecycle, wanted: Lifecycle) -> bool:
    """Return whether ``code`` must be written as ``wanted``; False where it is that already.

    Raises ``Conflict`` (``catalog.lifecycle``) where the table has no such step.
    """
    if present is wanted:
        return False
    if wanted not in TRANSITIONS[present]:
        then = ", ".join(sorted(state.value for state in TRANSITIONS[present]))
        raise Conflict(
            f"{code} is {present.value} and cannot become {wanted.value}",
            code="catalog.lifecycle",
            field="lifecycle",
            value=wanted.value,
            fix=f"from {present.value} it can become {then}" if then else f"{present.value} is the end",
        )
    return True
