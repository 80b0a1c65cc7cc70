"""The page on operating lists every setting with its default, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from farwire.base.config import Settings

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"
ROW = re.compile(r"^\| `([a-z_]+)` \| ([^|]+) \| .+ \|$", re.MULTILINE)


def test_the_settings_are_all_there_with_their_defaults() -> None:
    section = PAGE.read_text(encoding="utf-8").split("## Settings", 1)[1].split("\n## ", 1)[0]
    listed = dict(ROW.findall(section))
    fields = {field.name: field for field in msgspec.structs.fields(Settings)}
    assert list(listed) == list(fields)
    for name, shown in listed.items():
        default = fields[name].default
        if default is not msgspec.NODEFAULT:
            assert shown == ("–" if default is None else str(default)), name
