"""The fonts of an invoice, and what to do with characters that they lack.

Typst brings its fonts along: Libertinus Serif for Latin, Greek and Cyrillic, DejaVu Sans Mono for what that lacks, such
as Arabic. A folder of the operator's own fonts fills in other scripts. The machine's fonts are never used: a bill has
the same bytes everywhere. What no font has is shown by its base letter or a question mark, and reported.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import typst

MAIN: Final = "Libertinus Serif"
LAST: Final = "DejaVu Sans Mono"
SPACES: Final = "\u00a0\u202f"
"""Spaces that are printed, though they are no printable characters to Python."""
_SURE: Final = re.compile(
    r"[\x20-\x7e\u00a0-\u00ac\u00ae-\u017f\u2013\u2014\u2018-\u201e\u2026\u202f\u20ac\u2212]*"
)
"""Characters that the main font is known to have; a test asks it."""
_REFUSED: Final = re.compile(r"the text `\"(.+?)\"` could not be displayed")
_PROBE: Final = b"""#set text(font: json(bytes(sys.inputs.fonts)))
#set document(title: "probe")
#for character in sys.inputs.text.codepoints() [#character ]
"""


@dataclass(slots=True, eq=False)
class Fonts:
    """The fonts of one process and folder, and what is known of the characters that they have."""

    found: typst.Fonts
    families: tuple[str, ...]
    missing: set[str] = field(default_factory=set)
    known: set[str] = field(default_factory=set)

    def learn(self, text: str) -> None:
        """Find out which characters of ``text`` have a shape. Asks typst once per process and character."""
        unsure = {c for c in _SURE.sub("", text) if c not in self.known and c not in self.missing}
        while unsure:
            lacking = self._lacking(unsure)
            if not lacking:
                self.known |= unsure
                return
            self.missing |= lacking
            unsure -= lacking

    def _lacking(self, characters: Iterable[str]) -> set[str]:
        """Return at least one of the characters that no font has, or nothing."""
        import typst

        wanted = "".join(sorted(characters))
        inputs = {"text": wanted, "fonts": json.dumps(self.families)}
        try:
            typst.compile(
                _PROBE, font_paths=self.found, ignore_system_fonts=True, sys_inputs=inputs, pdf_standards=["a-3u"],
                timestamp=0,
            )  # fmt: skip
        except typst.TypstError as error:
            said = f"{error.message}\n{error.diagnostic}"
            named = {c for text in _REFUSED.findall(said) for c in text} & set(wanted)
            # An error that names no character would otherwise be asked for ever.
            return named or set(wanted)
        return set()

    def shown(self, text: str) -> str:
        """Return ``text`` with what no font has replaced by base letters or question marks. Call ``learn`` before."""
        if self.missing.isdisjoint(text):
            return text
        return "".join(self._instead(c) if c in self.missing else c for c in text)

    def _instead(self, character: str) -> str:
        if unicodedata.combining(character):
            return ""
        base = unicodedata.normalize("NFKD", character)[0]
        return base if base != character and base not in self.missing and base in self.known else "?"


@lru_cache(maxsize=8)
def fonts_in(folder: Path | None) -> Fonts:
    """Return the fonts that come with typst, and those of ``folder``."""
    import typst

    paths = [] if folder is None else [str(folder)]
    found = typst.Fonts(include_system_fonts=False, include_embedded_fonts=True, font_paths=paths)
    own = sorted({font.family for font in found.fonts() if font.path})
    fonts = Fonts(found, (MAIN, *(family for family in own if family != MAIN), LAST))
    fonts.known.update(chr(code) for code in range(0x20, 0x7F))
    return fonts


def printable(text: str) -> str:
    """Return ``text`` as it can be printed: composed, on one line, without control and direction characters."""
    if text.isascii() and text.isprintable():
        return text
    flat = " ".join(unicodedata.normalize("NFC", text).split()) if "\n" in text or "\t" in text else text
    return "".join(c for c in unicodedata.normalize("NFC", flat) if c.isprintable() or c in SPACES)
