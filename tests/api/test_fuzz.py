"""A third-party client, schemathesis, that knows nothing but the OpenAPI document of a running server.

No answer may be 5xx, and none may differ from what the document promises. The operations are dealt into shards, so that
several processes share the work. `make test` tries each operation with what its document says of each parameter; of the
APIs that only keep records, which one engine serves from tables, a sample. All of them, and the deep part with random
bodies, are among the slow proofs.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from farwire import app
from farwire.app import api_routes
from farwire.base.authz import Role
from farwire.base.web import openapi_document
from farwire.kernel.ids import TenantId

from .conftest import Charge, Client, MakeKey
from .stage import V1, Keys, Things, fill

SHARDS = 12
DEEP_S = 40
LIMIT_S = 280
SAMPLED = 12
"""Every which API of those that only keep records is tried by `make test`."""
KNOWN = 0.7
"""How often an id in a path or a body names what is there."""
NAMED = {"accountId": "accounts", "partyId": "parties", "paymentId": "payments", "pool": "pools"}
"""Attributes of bodies, and the collections whose things they name."""
# What no JSON schema says makes a body wrong that the document allows: fields that depend on each other or on what is
# there, times in order, a document with a reader of its own. A body may then be 400; the rest is checked all the same.
CONFIG = """
[[operations]]
include-method = ["POST", "PATCH"]
checks.positive_data_acceptance.enabled = false
[[operations]]
include-path-regex = "/farwire/v1/resources$"
checks.positive_data_acceptance.enabled = false
"""


def shard_of(number: int, *, whole: bool) -> list[str]:
    """The names of the operations in one of ``SHARDS`` parts, neighbours in different ones."""
    records = sorted(number for numbers in app._RECORDS.values() for number in numbers.split())
    left_out = set() if whole else {f"TMF{api}" for n, api in enumerate(records) if n % SAMPLED}
    paths = openapi_document(api_routes())["paths"].values()
    operations = [operation for methods in paths for operation in methods.values()]
    names = [one["operationId"] for one in operations if one["tags"][0].split()[0] not in left_out]
    return names[number::SHARDS]


@pytest.mark.parametrize("shard", range(SHARDS))
async def test_every_operation_answers_each_of_its_parameters_as_the_document_says(
    fuzz: Any, shard: int
) -> None:
    await fuzz(shard_of(shard, whole=False), "--phases", "examples,coverage")


@pytest.mark.full
@pytest.mark.parametrize("shard", range(2 * SHARDS))
async def test_every_operation_of_a_record_answers_each_of_its_parameters_as_the_document_says(
    fuzz: Any, shard: int
) -> None:
    tried = {name for part in range(SHARDS) for name in shard_of(part, whole=False)}
    rest = [name for part in range(SHARDS) for name in shard_of(part, whole=True) if name not in tried]
    await fuzz(rest[shard :: 2 * SHARDS], "--phases", "examples,coverage")


@pytest.mark.full
@pytest.mark.parametrize("shard", range(SHARDS))
async def test_every_operation_answers_random_requests_as_the_document_says(fuzz: Any, shard: int) -> None:
    await fuzz(
        shard_of(shard, whole=True),
        "--phases",
        "fuzzing",
        "--max-examples",
        "1000",
        "--max-time",
        str(DEEP_S),
    )


@pytest.fixture
async def fuzz(
    served: Any,
    make_key: MakeKey,
    client_of: Client,
    tenant_id: TenantId,
    world: Any,
    tmp_path: Path,
    charge: Charge,
) -> Any:
    """Run schemathesis on one shard of a server whose operator has one of everything."""
    keys = [await make_key(tenant_id, Role.TENANT_ADMIN) for _ in range(2)]
    async with client_of(keys[0]) as first, client_of(keys[1]) as second:
        things = await fill(world, Keys(first, second))
    await charge()
    server = await asyncio.to_thread(served, "--workers", "1")
    (tmp_path / "schemathesis.toml").write_text(config(things))

    async def run(names: list[str], *options: str) -> None:
        chosen = [part for name in names for part in ("--include-operation-id", name)]
        command = [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{server.base}/openapi.json"),
            *("--header", f"Authorization: Bearer {keys[0]}", "--seed", "1", "--request-timeout", "10"),
            *("--no-color", *options, *chosen),
        ]
        found = await asyncio.to_thread(
            subprocess.run,
            command,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        assert found.returncode == 0, found.stdout[-12_000:] + found.stderr[-2000:]

    return run


def config(things: Things) -> str:
    """The configuration, with the things that paths and bodies shall often name."""
    parts = [CONFIG]
    for name, collection in NAMED.items():
        parts.append(
            f"[dictionaries.{name}]\nvalues = {json.dumps([things.ids[f'{V1}/{collection}']])}\n"
            f'[parameters."body.{name}"]\ndictionary = "{name}"\nprobability = {KNOWN}\n'
        )
    for number, route in enumerate(api_routes()):
        collection, _, rest = route.path.partition("/{")
        if not rest or collection not in things.ids:
            continue
        name, known = rest.partition("}")[0], json.dumps([things.ids[collection]])
        parts.append(
            f"[dictionaries.known{number}]\nvalues = {known}\n"
            f'[[operations]]\ninclude-name = "{route.method.value} {route.path}"\n'
            f'parameters."path.{name}" = {{ dictionary = "known{number}", probability = {KNOWN} }}\n'
        )
    return "\n".join(parts)
