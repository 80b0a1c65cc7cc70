"""Chains of requests along the links of the OpenAPI document: what was made is read, changed, removed, and gone.

schemathesis follows what the document says: from the answer of a POST to the operations with the thing that it made. No
answer may be 5xx, none may differ from the document, what was made must be there, and what was removed must not.
`make test` tries a few APIs; all of them are among the slow proofs, within a bounded time.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from farwire.app import api_routes
from farwire.base.authz import Role
from farwire.base.web import openapi_document
from farwire.kernel.ids import TenantId

from .conftest import Charge, Client, MakeKey
from .stage import Keys, fill

SHARDS = 8
LONG_S, SHORT_S = 25, 12
SAMPLED = ("TMF620", "TMF621", "TMF632", "TMF639")
LIMIT_S = 150
# Links are ours, not guessed. A body that the document allows may be refused for what no schema says (test_fuzz.py).
CONFIG = """
[phases.stateful.inference]
algorithms = []
[[operations]]
include-method = ["POST", "PATCH"]
checks.positive_data_acceptance.enabled = false
"""
Run = Callable[[list[str], int], Awaitable[None]]


def linked() -> dict[str, dict[str, Any]]:
    """For each API, by its tag, the paths with what makes a thing and what can be done with it.

    Without idempotency keys: the answer to a key that was used before tells of a thing that may be gone since.
    """
    paths = openapi_document(api_routes())["paths"]
    places = {
        one["operationId"]: (path, method)
        for path, methods in paths.items()
        for method, one in methods.items()
    }
    found: dict[str, dict[str, Any]] = {}
    for methods in paths.values():
        links = methods.get("post", {}).get("responses", {}).get("201", {}).get("links", {})
        for name in (methods["post"]["operationId"], *links) if links else ():
            path, method = places[name]
            one = paths[path][method]
            one["parameters"] = [each for each in one["parameters"] if each["name"] != "Idempotency-Key"]
            found.setdefault(methods["post"]["tags"][0], {}).setdefault(path, {})[method] = one
    return found


async def test_what_was_made_is_read_changed_and_removed_as_the_document_says(chain: Run) -> None:
    await chain([tag for tag in linked() if tag.split()[0] in SAMPLED], SHORT_S)


@pytest.mark.full
@pytest.mark.parametrize("shard", range(SHARDS))
async def test_every_chain_of_requests_is_answered_as_the_document_says(chain: Run, shard: int) -> None:
    await chain(sorted(linked())[shard::SHARDS], LONG_S)


def test_every_document_of_tmf_that_is_made_and_read_is_linked() -> None:
    paths = openapi_document(api_routes())["paths"]
    for path, methods in paths.items():
        made = methods.get("post", {}).get("responses", {}).get("201")
        one = paths.get(f"{path}/{{inner}}" if "{id}" in path else f"{path}/{{id}}")
        if made is not None and one is not None and path.startswith("/tmf-api/"):
            assert {each["operationId"] for each in one.values()} <= set(made["links"]), path


@pytest.fixture
async def chain(
    served: Any,
    make_key: MakeKey,
    client_of: Client,
    tenant_id: TenantId,
    world: Any,
    tmp_path: Path,
    charge: Charge,
) -> Run:
    """Run schemathesis on the chains of some APIs, on a server whose operator has one of everything."""
    keys = [await make_key(tenant_id, Role.TENANT_ADMIN) for _ in range(2)]
    async with client_of(keys[0]) as first, client_of(keys[1]) as second:
        await fill(world, Keys(first, second))
    await charge()
    server = await asyncio.to_thread(served, "--workers", "1")
    (tmp_path / "schemathesis.toml").write_text(CONFIG)

    async def run(tags: list[str], seconds: int) -> None:
        found, document = linked(), openapi_document(api_routes())
        document["paths"] = {path: methods for tag in tags for path, methods in found[tag].items()}
        (tmp_path / "openapi.json").write_text(json.dumps(document))
        command = [
            *(sys.executable, "-m", "schemathesis.cli", "run", "openapi.json", "--url", server.base),
            *("--header", f"Authorization: Bearer {keys[0]}", "--seed", "1", "--request-timeout", "10"),
            *("--no-color", "--phases", "stateful", "--max-time", str(seconds)),
        ]
        done = await asyncio.to_thread(
            subprocess.run,
            command,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-12_000:] + done.stderr[-2000:]
        assert re.search(r"✅ [1-9][0-9]* passed", done.stdout), done.stdout[-2000:]

    return run
