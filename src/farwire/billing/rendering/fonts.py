"""Embedded TrueType fonts, and what to do with characters that they lack.

Vera comes with reportlab and may be embedded. It covers Western European languages. A folder of the operator's own
fonts (``*.ttf``) is asked character by character for what Vera lacks; what no font has is shown by its base letter
(``ř`` as ``r``), and at last by a question mark; ``missing`` collects what could not be shown.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from reportlab.pdfbase.ttfonts import TTFont

REGULAR: Final = "FarwireRegular"
BOLD: Final = "FarwireBold"
MAX_FALLBACKS: Final = 16
# Spaces and signs that fonts often lack, though every reader takes the plain one for them.
_PLAIN: Final = {0x202F: "\u00a0", 0x2009: "\u00a0", 0x2212: "-", 0x2011: "-"}


@lru_cache(maxsize=64)
def _load(name: str, path: str) -> TTFont:
    """Register one font with reportlab, once per process and file."""
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    font = TTFont(name, path)
    pdfmetrics.registerFont(font)
    return font


@dataclass(slots=True)
class Fonts:
    """The fonts of one document. ``bold`` text falls back to the same extra fonts as regular text."""

    folder: Path | None = None
    missing: set[str] = field(default_factory=set)
    _coverage: dict[str, frozenset[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        faces = [(REGULAR, "Vera.ttf"), (BOLD, "VeraBd.ttf")]
        if self.folder is not None:
            extra = sorted(self.folder.glob("*.ttf"))[:MAX_FALLBACKS]
            faces += [(f"Farwire-{path.stem}", str(path)) for path in extra]
        for name, path in faces:
            self._coverage[name] = frozenset(_load(name, path).face.charToGlyph)

    def _font_of(self, character: str, wanted: str) -> str | None:
        code = ord(character)
        if code in self._coverage[wanted]:
            return wanted
        return next((name for name, has in self._coverage.items() if code in has and name != BOLD), None)

    def _shown(self, character: str, wanted: str) -> tuple[str, str]:
        """Return the font and the text that stand for ``character``."""
        if (font := self._font_of(character, wanted)) is not None:
            return font, character
        plain = _PLAIN.get(ord(character))
        if plain is not None:
            return wanted, plain
        if not unicodedata.combining(character):
            base = unicodedata.normalize("NFKD", character)[0]
            self.missing.add(character)
            return wanted, base if self._font_of(base, wanted) == wanted else "?"
        return wanted, ""

    def runs(self, text: str, wanted: str) -> Iterator[tuple[str, str]]:
        """Yield (font, text) for stretches of ``text`` that one font can show."""
        font, stretch = wanted, ""
        for character in unicodedata.normalize("NFC", text):
            if not character.isprintable() and character != "\u00a0":
                continue
            needed, shown = self._shown(character, wanted)
            if needed != font and stretch:
                yield font, stretch
                stretch = ""
            font, stretch = needed, stretch + shown
        if stretch:
            yield font, stretch
