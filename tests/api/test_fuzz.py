"""A third-party client, schemathesis, that knows nothing but the OpenAPI document of a running server.

No answer may be 5xx, and none may differ from what the document promises. The operations are dealt into shards, so that
several processes share the work. `make test` tries each of our own operations with what its document says of each
parameter; of each TMF API one operation of each kind, since one engine serves all its resources from tables; of the
APIs that only keep records, a sample. All of them, and the deep part with random bodies, are among the slow proofs.
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

SHARDS, REST_SHARDS, DEEP_SHARDS = 6, 30, 12
DEEP_S = 40
LIMIT_S = 280
SAMPLED = 12
"""Every which API of those that only keep records is tried by `make test`."""
KNOWN = 0.7
"""How often an id in a path or a body names what is there."""
NAMED = {"accountId": "accounts", "partyId": "parties", "paymentId": "payments", "pool": "pools"}
"""Attributes of bodies, and the collections whose things they name."""
# What no JSON schema says makes a body wrong that the document allows: fields that depend on each other or on what is
# there, times in order, a document with a reader of its own, a NUL in a text. A body may then be 400; the rest is
# checked all the same.
CONFIG = """
[[operations]]
include-method = ["POST", "PATCH"]
checks.positive_data_acceptance.enabled = false
[[operations]]
include-method = "PUT"
include-path-regex = "^/tmf-api/"
checks.positive_data_acceptance.enabled = false
[[operations]]
include-path-regex = "/farwire/v1/(resources|elements/.*/traces)$"
checks.positive_data_acceptance.enabled = false
"""


def all_names() -> list[str]:
    """The names of all operations."""
    paths = openapi_document(api_routes())["paths"].values()
    return [operation["operationId"] for methods in paths for operation in methods.values()]


def sampled_names() -> list[str]:
    """Those that `make test` tries. Of several versions of an API it is the last."""
    records = sorted(number for numbers in app._RECORDS.values() for number in numbers.split())
    left_out = {f"TMF{api}" for n, api in enumerate(records) if n % SAMPLED}
    chosen = {}
    for path, methods in sorted(openapi_document(api_routes())["paths"].items()):
        for method, operation in methods.items():
            name, api = operation["operationId"], operation["tags"][0].split()[0]
            if not path.startswith("/tmf-api/"):
                chosen[name] = name
            elif api not in left_out:
                chosen[api, method, path.endswith("}")] = name
    return list(chosen.values())


@pytest.mark.parametrize("shard", range(SHARDS))
async def test_every_operation_answers_each_of_its_parameters_as_the_document_says(
    fuzz: Any, shard: int
) -> None:
    await fuzz(sampled_names()[shard::SHARDS], "--phases", "examples,coverage")


@pytest.mark.full
@pytest.mark.parametrize("shard", range(REST_SHARDS))
async def test_every_other_operation_of_tmf_answers_each_of_its_parameters_as_the_document_says(
    fuzz: Any, shard: int
) -> None:
    tried = set(sampled_names())
    rest = [name for name in all_names() if name not in tried]
    await fuzz(rest[shard::REST_SHARDS], "--phases", "examples,coverage")


@pytest.mark.full
@pytest.mark.parametrize("shard", range(DEEP_SHARDS))
async def test_every_operation_answers_random_requests_as_the_document_says(fuzz: Any, shard: int) -> None:
    await fuzz(
        all_names()[shard::DEEP_SHARDS],
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
