"""Typeset an invoice by typst, as PDF/A. The same document and fonts give the same bytes.

The template is a file of this package and the document its data: no text of a customer ever becomes markup.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from farwire.billing.rendering.document import InvoiceDocument
from farwire.billing.rendering.fonts import Fonts, fonts_in, printable
from farwire.kernel.errors import Defect

if TYPE_CHECKING:
    import typst

STANDARDS: Final = ("a-3a", "ua-1")
"""PDF/A-3: kept for the time that the law asks for, and able to carry an XML invoice; PDF/UA: read aloud in order."""
_TEMPLATE: Final = Path(__file__).with_name("invoice.typ")
MAX_WORD: Final = 30
_LONG_WORD: Final = re.compile(rf"\S{{{MAX_WORD + 1},}}")
_PAGE_COUNT: Final = re.compile(rb"<</Type/Pages/Count (\d+)")
_PIECE: Final = 15
_BREAK: Final = "\u200b"


@dataclass(frozen=True, slots=True)
class RenderedPdf:
    """The bytes of an invoice, its number of pages, and the characters for which no font had a shape."""

    content: bytes
    pages: int
    missing: tuple[str, ...]


def render_invoice(document: InvoiceDocument, *, font_folder: Path | None = None) -> RenderedPdf:
    """Return the PDF of ``document``. ``font_folder`` holds fonts for scripts that typst's own ones lack."""
    fonts = fonts_in(font_folder)
    text = _printable(msgspec.to_builtins(document))
    used = _characters(text)
    fonts.learn(used)
    missing = tuple(sorted(fonts.missing & set(used)))
    data = {**(_replaced(text, fonts) if missing else text), "fonts": fonts.families}
    content = _compiler(fonts).compile(
        sys_inputs={"data": msgspec.json.encode(data).decode()},
        format="pdf",
        pdf_standards=list(STANDARDS),
        timestamp=_midnight(document.issued),
    )
    if not isinstance(content, bytes):
        raise Defect("typst gave no PDF", code="billing.pdf")
    pages = _PAGE_COUNT.findall(content)
    return RenderedPdf(content, max(map(int, pages), default=0), missing)


@lru_cache(maxsize=8)
def _compiler(fonts: Fonts) -> typst.Compiler:
    """Return the compiler of this process; it keeps the parsed template and the fonts from one invoice to the next."""
    import typst

    return typst.Compiler(str(_TEMPLATE), font_paths=fonts.found, ignore_system_fonts=True)


def _midnight(day: tuple[int, int, int]) -> int:
    """Return the start of the day of issue in seconds of UNIX: a document has no other time."""
    return (date(*day) - date(1970, 1, 1)).days * 86_400


def _printable(value: Any) -> Any:
    """Return ``value`` with each text as it can be printed; words too long for a line may break."""
    if isinstance(value, str):
        text = printable(value)
        return _LONG_WORD.sub(_broken, text) if len(text) > MAX_WORD else text
    if isinstance(value, dict):
        return {key: _printable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_printable(item) for item in value]
    return value


def _broken(word: re.Match[str]) -> str:
    text = word.group()
    return _BREAK.join(text[n : n + _PIECE] for n in range(0, len(text), _PIECE))


def _characters(value: Any) -> str:
    """Return each character that ``value`` shows, once."""
    found: set[str] = set()

    def look(part: Any) -> None:
        if isinstance(part, str):
            found.update(part)
        elif isinstance(part, dict):
            for item in part.values():
                look(item)
        elif isinstance(part, list):
            for item in part:
                look(item)

    look(value)
    return "".join(sorted(found - {_BREAK}))


def _replaced(value: Any, fonts: Fonts) -> Any:
    if isinstance(value, str):
        return fonts.shown(value)
    if isinstance(value, dict):
        return {key: _replaced(item, fonts) for key, item in value.items()}
    return [_replaced(item, fonts) for item in value] if isinstance(value, list) else value
