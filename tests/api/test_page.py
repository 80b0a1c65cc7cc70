"""docs/api.md says what the API does: its calls run against a real server."""

from __future__ import annotations

import asyncio
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

from farwire.base.authz import Role
from farwire.kernel.ids import TenantId

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
BLOCK = re.compile(r"^```curl\n\$ (.*?)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def as_pattern(line: str) -> str:
    """A shown line as a pattern, in which … stands for anything."""
    return ".*".join(re.escape(part) for part in line.split("…"))


async def test_the_calls_of_the_page_answer_what_it_shows(
    served: Any, make_key: Any, tenant_id: TenantId
) -> None:
    server = await asyncio.to_thread(served)
    key = await make_key(tenant_id, Role.TENANT_ADMIN)
    blocks = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    assert len(blocks) >= 4
    for command, shown in blocks:
        here = command.replace("http://127.0.0.1:8080", server.base).replace("$FARWIRE_KEY", key)
        local = shlex.split(here)
        found = await asyncio.to_thread(
            subprocess.run, local, capture_output=True, text=True, timeout=30, check=True
        )
        for line in shown.strip().splitlines():
            assert re.search(as_pattern(line), found.stdout), (
                f"{command}\n{line}\n--- printed\n{found.stdout}"
            )
