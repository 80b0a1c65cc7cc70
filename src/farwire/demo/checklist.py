"""The checklist of a demo: what is expected, what was found, and whether they are the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rich.table import Table
from rich.text import Text


@dataclass(frozen=True, slots=True)
class Check:
    """One line: ``expected`` comes from the generator's truth, ``found`` from the product."""

    topic: str
    what: str
    expected: str
    found: str

    @property
    def ok(self) -> bool:
        """Return whether the line holds."""
        return self.expected == self.found


@dataclass(slots=True)
class Checklist:
    """All lines in the order in which they were made."""

    checks: list[Check] = field(default_factory=list)

    def add(self, topic: str, what: str, expected: object, found: object) -> None:
        """Add a line; values are compared as they are printed."""
        self.checks.append(Check(topic, what, _printed(expected), _printed(found)))

    @property
    def ok(self) -> bool:
        """Return whether every line holds, and there is at least one."""
        return bool(self.checks) and all(check.ok for check in self.checks)

    def as_table(self, title: str) -> Table:
        """Return the checklist for a terminal."""
        table = Table(title=title, title_justify="left", header_style="bold")
        table.add_column("")
        table.add_column("check")
        table.add_column("expected", justify="right")
        table.add_column("found", justify="right")
        table.add_column("ok", justify="center")
        topic = ""
        for check in self.checks:
            if topic and check.topic != topic:
                table.add_section()
            shown = Text("ok", style="green") if check.ok else Text("NO", style="bold red")
            table.add_row(
                check.topic if check.topic != topic else "", check.what, check.expected, check.found, shown
            )
            topic = check.topic
        return table

    def as_rows(self) -> list[dict[str, object]]:
        """Return the checklist for a program."""
        return [
            {"topic": c.topic, "check": c.what, "expected": c.expected, "found": c.found, "ok": c.ok}
            for c in self.checks
        ]


def _printed(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


@dataclass(frozen=True, slots=True)
class Played:
    """What a day leaves: its checklist, and by operator the number and the PDF of an invoice to look at."""

    title: str
    checks: Checklist
    invoices: Mapping[str, tuple[str, Path]]

    def as_document(self) -> dict[str, object]:
        """Return it for a program."""
        invoices = [
            {"tenant": tenant, "number": number, "pdf": path}
            for tenant, (number, path) in self.invoices.items()
        ]
        return {
            "title": self.title,
            "ok": self.checks.ok,
            "checks": self.checks.as_rows(),
            "invoices": invoices,
        }
