"""Profiles as TOML documents: read in one way for all protocols, refused with the path of the field."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, TypeVar

import msgspec

from farwire.kernel.errors import Invalid

_T = TypeVar("_T")
_PATH: Final = re.compile(r" - at `\$\.?(.*)`$")


@dataclass(frozen=True, slots=True)
class Profiles:
    """The profiles of one protocol; what is wrong with them is ``Invalid`` (``<protocol>.profiles``)."""

    protocol: str

    def read(self, text: str, kind: type[_T]) -> _T:
        """Return what a document describes. Raises ``Invalid``."""
        try:
            return msgspec.convert(tomllib.loads(text), kind)
        except (tomllib.TOMLDecodeError, msgspec.ValidationError, RecursionError) as error:
            path = _PATH.search(str(error))
            raise self.wrong(path[1] if path else "", _PATH.sub("", str(error))) from None

    def bounded(self, node: object, *bounds: tuple[str, int, int]) -> None:
        """Check numbers of a node: field, least and most. Raises ``Invalid``."""
        for field, low, most in bounds:
            if not low <= getattr(node, field) <= most:
                raise self.wrong(field, f"is not from {low} to {most}")

    def each(self, path: str, values: Iterable[_T], read: Callable[[_T], object]) -> None:
        """Check values with what reads them and raises ``ValueError``. Raises ``Invalid``."""
        for place, value in enumerate(values):
            try:
                read(value)
            except ValueError as error:
                raise self.wrong(f"{path}[{place}]", str(error)) from None

    def wrong(self, path: str, why: str) -> Invalid:
        """Return the error of a field; an empty path means the document."""
        return Invalid(
            f"the profiles cannot be used: {path or 'document'} {why}",
            code=f"{self.protocol}.profiles",
            field=path or None,
            fix=f"see docs/gateway-{self.protocol}.md",
        )
