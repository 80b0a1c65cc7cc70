"""Draw an invoice on A4 with reportlab. The same document gives the same bytes.

Measures are points (1/72 inch). The address stands where DIN 5008 has its window, so that the sheet fits an envelope.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from farwire.billing.rendering.document import InvoiceDocument, Row, UsageRow
from farwire.billing.rendering.fonts import BOLD, REGULAR, Fonts

if TYPE_CHECKING:
    from reportlab.pdfgen.canvas import Canvas

MM: Final = 72 / 25.4
WIDTH: Final = 210 * MM
HEIGHT: Final = 297 * MM
LEFT: Final = 25 * MM
RIGHT: Final = WIDTH - 20 * MM
BOTTOM: Final = 32 * MM
INK: Final = (0.13, 0.16, 0.20)
MUTED: Final = (0.42, 0.46, 0.52)
ACCENT: Final = (0.04, 0.33, 0.44)
PALE: Final = (0.93, 0.96, 0.97)
RULE: Final = (0.80, 0.84, 0.87)
Colour = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class RenderedPdf:
    """The bytes of an invoice, its number of pages, and the characters for which no font had a shape."""

    content: bytes
    pages: int
    missing: tuple[str, ...]


@dataclass(slots=True)
class _Sheet:
    """Where the pen is. The first pass counts pages, the second writes their number."""

    canvas: Canvas
    fonts: Fonts
    document: InvoiceDocument
    pages: int
    page: int = 0
    y: float = 0.0
    header: Callable[[], None] | None = field(default=None)

    def width(self, text: str, size: float, font: str = REGULAR) -> float:
        """Return how wide ``text`` is."""
        from reportlab.pdfbase.pdfmetrics import stringWidth

        return sum(stringWidth(part, name, size) for name, part in self.fonts.runs(text, font))

    def text(
        self, x: float, y: float, text: str, *, size: float = 9, font: str = REGULAR, colour: Colour = INK
    ) -> None:
        """Write ``text`` from ``x`` to the right."""
        from reportlab.pdfbase.pdfmetrics import stringWidth

        self.canvas.setFillColorRGB(*colour)
        for name, part in self.fonts.runs(text, font):
            self.canvas.setFont(name, size)
            self.canvas.drawString(x, y, part)
            x += stringWidth(part, name, size)

    def right(
        self, x: float, y: float, text: str, *, size: float = 9, font: str = REGULAR, colour: Colour = INK
    ) -> None:
        """Write ``text`` so that it ends at ``x``."""
        self.text(x - self.width(text, size, font), y, text, size=size, font=font, colour=colour)

    def rule(self, y: float, colour: Colour = RULE, thickness: float = 0.6) -> None:
        """Draw a line across the page."""
        self.canvas.setStrokeColorRGB(*colour)
        self.canvas.setLineWidth(thickness)
        self.canvas.line(LEFT, y, RIGHT, y)

    def wrapped(self, text: str, width: float, size: float, font: str = REGULAR) -> list[str]:
        """Return ``text`` in lines no wider than ``width``; a word that is wider is cut."""
        lines: list[str] = []
        line = ""
        for word in text.split(" "):
            candidate = f"{line} {word}".strip()
            if self.width(candidate, size, font) <= width:
                line = candidate
                continue
            if line:
                lines.append(line)
            *full, line = self._cut(word, width, size, font)
            lines.extend(full)
        return [*lines, line] if line else lines or [""]

    def _cut(self, word: str, width: float, size: float, font: str) -> list[str]:
        """Return a word in pieces no wider than ``width``."""
        pieces: list[str] = []
        while self.width(word, size, font) > width and len(word) > 1:
            cut = next(
                (n for n in range(len(word) - 1, 1, -1) if self.width(word[:n], size, font) <= width), 1
            )
            pieces.append(word[:cut])
            word = word[cut:]
        return [*pieces, word]

    def new_page(self) -> None:
        """Start a page with bar, footer and the running header."""
        if self.page:
            self.canvas.showPage()
        self.page += 1
        self.canvas.setFillColorRGB(*ACCENT)
        self.canvas.rect(0, HEIGHT - 4 * MM, WIDTH, 4 * MM, stroke=0, fill=1)
        self._footer()
        self.y = HEIGHT - 18 * MM
        if self.page > 1:
            self.text(LEFT, self.y, self.document.seller, size=10, font=BOLD, colour=ACCENT)
            self.right(RIGHT, self.y, f"{self.document.title} {self.document.number}", size=9, colour=MUTED)
            self.y -= 10 * MM
            if self.header is not None:
                self.header()

    def _footer(self) -> None:
        self.rule(22 * MM)
        y = 17.5 * MM
        for line in self.document.footer:
            self.text(LEFT, y, line, size=7, colour=MUTED)
            y -= 3.6 * MM
        page = self.document.words["page"].format(page=self.page, pages=self.pages or self.page)
        self.right(RIGHT, 10.3 * MM, page, size=7, colour=MUTED)

    def room(self, height: float) -> None:
        """Start a new page unless ``height`` still fits."""
        if self.y - height < BOTTOM:
            self.new_page()


_QUANTITY_X: Final = 128 * MM
_TAX_X: Final = 152 * MM
_LABEL_X: Final = LEFT + 9 * MM


def render_invoice(document: InvoiceDocument, *, font_folder: Path | None = None) -> RenderedPdf:
    """Return the PDF of ``document``. The same document and fonts give the same bytes."""
    _, pages, _ = _draw(document, 0, font_folder)
    content, pages, missing = _draw(document, pages, font_folder)
    return RenderedPdf(content, pages, missing)


def _draw(
    document: InvoiceDocument, pages: int, font_folder: Path | None
) -> tuple[bytes, int, tuple[str, ...]]:
    from reportlab.pdfgen.canvas import Canvas

    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=(WIDTH, HEIGHT), invariant=1, pageCompression=1)
    canvas.setTitle(f"{document.title} {document.number}")
    canvas.setAuthor(document.seller)
    sheet = _Sheet(canvas, Fonts(font_folder), document, pages)
    sheet.new_page()
    _head(sheet)
    _table(sheet)
    _totals(sheet)
    _notes(sheet)
    _usage(sheet)
    canvas.save()
    return buffer.getvalue(), sheet.page, tuple(sorted(sheet.fonts.missing))


def _head(sheet: _Sheet) -> None:
    document = sheet.document
    sheet.text(LEFT, HEIGHT - 24 * MM, document.seller, size=17, font=BOLD, colour=ACCENT)
    sheet.text(LEFT, HEIGHT - 47 * MM, " · ".join(document.seller_lines), size=6.5, colour=MUTED)
    y = HEIGHT - 53 * MM
    window = [part for line in document.customer_lines for part in sheet.wrapped(line, 85 * MM, 10)]
    for line in window[:8]:
        sheet.text(LEFT, y, line, size=10)
        y -= 4.8 * MM
    x, y = 122 * MM, HEIGHT - 49 * MM
    for name, value in document.facts:
        sheet.text(x, y, name, size=7, colour=MUTED)
        sheet.text(x, y - 3.6 * MM, value, size=8.5)
        y -= 8.6 * MM
    y = min(y - 10 * MM, HEIGHT - 102 * MM)
    sheet.text(LEFT, y, document.title, size=20, font=BOLD)
    _headline(sheet, y)
    sheet.y = y - 14 * MM


def _headline(sheet: _Sheet, y: float) -> None:
    name, value = sheet.document.headline
    width = max(sheet.width(value, 14, BOLD), sheet.width(name, 7.5)) + 10 * MM
    sheet.canvas.setFillColorRGB(*PALE)
    sheet.canvas.roundRect(RIGHT - width, y - 4 * MM, width, 14 * MM, 2 * MM, stroke=0, fill=1)
    sheet.right(RIGHT - 5 * MM, y + 5 * MM, name, size=7.5, colour=MUTED)
    sheet.right(RIGHT - 5 * MM, y - 1 * MM, value, size=14, font=BOLD, colour=ACCENT)


def _table_header(sheet: _Sheet) -> None:
    words = sheet.document.words
    sheet.text(LEFT, sheet.y, words["position"], size=7.5, colour=MUTED)
    sheet.text(_LABEL_X, sheet.y, words["description"], size=7.5, colour=MUTED)
    sheet.right(_QUANTITY_X, sheet.y, words["quantity"], size=7.5, colour=MUTED)
    sheet.right(_TAX_X, sheet.y, words["rate"], size=7.5, colour=MUTED)
    sheet.right(RIGHT, sheet.y, words["amount"], size=7.5, colour=MUTED)
    sheet.rule(sheet.y - 2.2 * MM, ACCENT, 0.9)
    sheet.y -= 7 * MM


def _table(sheet: _Sheet) -> None:
    _table_header(sheet)
    sheet.header = lambda: _table_header(sheet)
    for row in sheet.document.rows:
        _row(sheet, row)
    sheet.header = None


def _row(sheet: _Sheet, row: Row) -> None:
    space = _QUANTITY_X - sheet.width(row.quantity, 9) - 4 * MM - _LABEL_X
    labels = sheet.wrapped(row.label, space, 9)
    height = (len(labels) * 4.3 + 7.4) * MM
    sheet.room(height)
    sheet.text(LEFT, sheet.y, row.position, colour=MUTED)
    sheet.right(_QUANTITY_X, sheet.y, row.quantity)
    sheet.right(_TAX_X, sheet.y, row.tax, colour=MUTED)
    sheet.right(RIGHT, sheet.y, row.amount)
    y = sheet.y
    for label in labels:
        sheet.text(_LABEL_X, y, label)
        y -= 4.3 * MM
    sheet.text(_LABEL_X, y + 0.4 * MM, row.period, size=7, colour=MUTED)
    sheet.rule(y - 2 * MM)
    sheet.y -= height


def _totals(sheet: _Sheet) -> None:
    document = sheet.document
    sheet.room((len(document.sums) * 5 + 18) * MM)
    sheet.y -= 2 * MM
    for name, value in document.sums:
        sheet.right(_TAX_X, sheet.y, name, colour=MUTED)
        sheet.right(RIGHT, sheet.y, value)
        sheet.y -= 5 * MM
    sheet.canvas.setFillColorRGB(*PALE)
    sheet.canvas.rect(100 * MM, sheet.y - 5.5 * MM, RIGHT - 100 * MM, 8.5 * MM, stroke=0, fill=1)
    name, value = document.total
    sheet.right(_TAX_X, sheet.y - 2.6 * MM, name, size=10, font=BOLD)
    sheet.right(RIGHT - 1.5 * MM, sheet.y - 2.6 * MM, value, size=10, font=BOLD, colour=ACCENT)
    sheet.y -= 16 * MM


def _notes(sheet: _Sheet) -> None:
    for note in sheet.document.notes:
        lines = sheet.wrapped(note, RIGHT - LEFT, 9)
        sheet.room(len(lines) * 4.6 * MM)
        for line in lines:
            sheet.text(LEFT, sheet.y, line)
            sheet.y -= 4.6 * MM
        sheet.y -= 1.5 * MM


def _usage_header(sheet: _Sheet) -> None:
    words = sheet.document.words
    sheet.text(LEFT, sheet.y, words["time"], size=7.5, colour=MUTED)
    sheet.text(75 * MM, sheet.y, words["destination"], size=7.5, colour=MUTED)
    sheet.right(150 * MM, sheet.y, words["used"], size=7.5, colour=MUTED)
    sheet.right(RIGHT, sheet.y, words["cost"], size=7.5, colour=MUTED)
    sheet.rule(sheet.y - 2 * MM, ACCENT, 0.9)
    sheet.y -= 6 * MM


def _usage(sheet: _Sheet) -> None:
    document = sheet.document
    if not document.usage:
        return
    sheet.new_page()
    sheet.text(LEFT, sheet.y, document.words["usage"], size=15, font=BOLD)
    sheet.y -= 6 * MM
    for line in sheet.wrapped(document.usage_note, RIGHT - LEFT, 7.5):
        sheet.text(LEFT, sheet.y, line, size=7.5, colour=MUTED)
        sheet.y -= 3.8 * MM
    sheet.y -= 4 * MM
    for section in document.usage:
        sheet.room(24 * MM)
        for line in sheet.wrapped(section.title, RIGHT - LEFT, 9, BOLD):
            sheet.text(LEFT, sheet.y, line, font=BOLD, colour=ACCENT)
            sheet.y -= 4.4 * MM
        sheet.y -= 1.6 * MM
        _usage_header(sheet)
        sheet.header = lambda: _usage_header(sheet)
        for row in section.rows:
            _usage_row(sheet, row)
        if section.more:
            sheet.room(5 * MM)
            sheet.text(LEFT, sheet.y, section.more, size=7.5, colour=MUTED)
            sheet.y -= 5 * MM
        sheet.header = None
        sheet.y -= 5 * MM


def _usage_row(sheet: _Sheet, row: UsageRow) -> None:
    sheet.room(5 * MM)
    sheet.text(LEFT, sheet.y, row.time, size=8)
    sheet.text(75 * MM, sheet.y, row.destination[:40], size=8)
    sheet.right(150 * MM, sheet.y, row.used, size=8)
    sheet.right(RIGHT, sheet.y, row.cost, size=8)
    sheet.y -= 4.6 * MM
