"""docs/api.md says what the API does: its calls run, its tables are the routes."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

from farwire.app import api_routes
from farwire.base.authz import ROLE_PERMISSIONS, Permission, Role
from farwire.base.clock import MovableClock
from farwire.kernel.ids import TenantId
from farwire.kernel.time import instant

from .conftest import MakeKey

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
STEP = re.compile(r"^<!-- clock: (\S+) -->$|^```curl\n\$ (.*?)\n(.*?)^```", re.MULTILINE | re.DOTALL)
FILE_BLOCK = re.compile(r"^<!-- file: (\S+) -->\n```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
ROUTES = re.compile(r"(?<=<!-- routes -->\n).*(?=<!-- end of routes -->)", re.DOTALL)
NAME = re.compile(r"\$([A-Z_]+)")


def as_pattern(line: str, names: dict[str, str]) -> str:
    """A shown line as a pattern: … stands for anything, a new $NAME for what later calls use."""
    pattern = ".*".join(re.escape(part) for part in line.split("…"))
    return re.sub(
        r"\\\$([A-Z_]+)", lambda m: re.escape(names[m[1]]) if m[1] in names else f'(?P<{m[1]}>[^"]+)', pattern
    )


def with_names(command: str, names: dict[str, str]) -> str:
    """A call with what earlier answers named."""
    return NAME.sub(lambda m: names[m[1]], command)


async def test_the_calls_of_the_page_answer_what_it_shows(
    listening: str,
    work: Any,
    make_key: MakeKey,
    tenant_id: TenantId,
    world: Any,
    clock: MovableClock,
    tmp_path: Path,
) -> None:
    names = {
        "FARWIRE_KEY": await make_key(tenant_id, Role.TENANT_ADMIN),
        "FINANCE_KEY": await make_key(tenant_id, Role.FINANCE),
        "COMPANY": str((await world.company()).id),
    }
    text, calls = PAGE.read_text(encoding="utf-8"), 0
    for name, content in FILE_BLOCK.findall(text):
        (tmp_path / name).write_text(content, encoding="utf-8")
    for at, command, shown in STEP.findall(text):
        if at:
            clock.set(instant(at))
            continue
        here = with_names(command.replace("http://127.0.0.1:8080", listening), names)
        printed = await asyncio.to_thread(_typed, here, tmp_path)
        for line in shown.strip().splitlines():
            found = re.search(as_pattern(line, names), printed)
            assert found, f"{command}\n{line}\n--- printed\n{printed}"
            names |= found.groupdict()
        await work()
        calls += 1
    assert calls >= 20


def _typed(command: str, folder: Path) -> str:
    done = subprocess.run(
        shlex.split(command), cwd=folder, capture_output=True, text=True, timeout=30, check=True
    )
    return done.stdout


def test_the_tables_of_the_page_are_the_routes() -> None:
    """FARWIRE_WRITE_PAGES=1 writes them into the page."""
    text, wanted = PAGE.read_text(encoding="utf-8"), tables()
    if os.environ.get("FARWIRE_WRITE_PAGES"):
        PAGE.write_text(ROUTES.sub(lambda _: wanted, text), encoding="utf-8")
        return
    (found,) = ROUTES.findall(text)
    assert found == wanted, "write them anew: FARWIRE_WRITE_PAGES=1 pytest tests/api/test_page.py"


def tables() -> str:
    """The routes as the page has them: one table for each tag."""
    parts: dict[str, list[str]] = {}
    for route in api_routes():
        if route.contract is not None:
            continue  # the TMF engine's routes come from tables: docs/tmf.md
        row = f"| `{route.method.value} {route.path}` | {route.summary} | {_who(route.permission)} |\n"
        parts.setdefault(route.tag, []).append(row)
    head = "| route | what | permission and roles |\n|---|---|---|\n"
    return "".join(f"\n### {tag}\n\n{head}{''.join(rows)}" for tag, rows in parts.items()) + "\n"


def _who(permission: Any) -> str:
    if not isinstance(permission, Permission):
        return "every key"
    roles = [
        role.value.replace("_", " ")
        for role in Role
        if role is not Role.TENANT_ADMIN and permission in ROLE_PERMISSIONS[role]
    ]
    return f"`{permission.value}`: {', '.join(roles) or '–'}"
