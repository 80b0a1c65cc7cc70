"""What is proven of each adapter: read from the quality files that lie beside them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType
from typing import Final

from farwire.activation.adapters import ADAPTERS
from farwire.activation.simulator import KINDS

CLAIMS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "bronze": ("connects", "tables", "docs"),
        "silver": ("reconnect", "timeouts", "retries"),
        "gold": ("peer", "read_back", "metrics"),
    }
)
"""What each level asks for, beside the levels before it. A claim is proven by a test, by a page of the documentation
(``docs``) or by a metric (``metrics``)."""
_NONE: Final = "none"


@dataclass(frozen=True, slots=True)
class Quality:
    """What is proven of an adapter: claim → where. ``level`` is the highest one whose claims are all proven."""

    name: str
    what: str
    proven: Mapping[str, str]

    @property
    def level(self) -> str:
        """Return the level."""
        reached = _NONE
        for level, claims in CLAIMS.items():
            if not all(self.proven.get(f"{level}.{claim}") for claim in claims):
                break
            reached = level
        return reached

    @property
    def missing(self) -> tuple[str, ...]:
        """Return what is not proven."""
        every = [(level, claim) for level, claims in CLAIMS.items() for claim in claims]
        return tuple(claim for level, claim in every if not self.proven.get(f"{level}.{claim}"))


def qualities() -> tuple[Quality, ...]:
    """Return what is proven of every adapter and of every kind of simulated element, the real ones first."""
    activation = resources.files("farwire.activation")
    files = {name: activation / "adapters" / name / "quality.toml" for name in ADAPTERS}
    files |= {kind: activation / "simulator" / f"{kind.removeprefix('simulated-')}.toml" for kind in KINDS}
    return tuple(_read(name, file.read_text("utf-8")) for name, file in files.items() if file.is_file())


def _read(name: str, text: str) -> Quality:
    document = tomllib.loads(text)
    levels = {level: document.get(level, {}) for level in CLAIMS}
    proven = {
        f"{level}.{claim}": str(where) for level, said in levels.items() for claim, where in said.items()
    }
    return Quality(name, str(document.get("what") or document.get("peer") or ""), proven)
