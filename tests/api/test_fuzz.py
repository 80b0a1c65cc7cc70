"""A third-party client, schemathesis, that knows nothing but the OpenAPI document of a running server."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

from farwire.base.authz import Role
from farwire.kernel.ids import TenantId

EXAMPLES = 25
LIMIT_S = 240
# A usage's characteristics depend on each other (each once, subscriber and quantity always): no JSON schema says that.
# A catalogue file and a price plan are checked by their own readers: the document says only that they are JSON.
# The texts of a message fit its variables, and a receipt is about the past.
# Which fields an item of an order reads depends on its action, and its times are RFC 3339 in a span of years.
# A customer has an address in the form of its country, contacts, documents, ids of things that are there.
# A range is two numbers in order, or a list instead; a resource's value needs its kind; a reservation ends later.
CONFIG = """
[[operations]]
include-path-regex = "/farwire/v1/(pools|reservations|resources)(/.*)?$"
checks.positive_data_acceptance.enabled = false
[[operations]]
include-path-regex = "/farwire/v1/(parties|accounts|moves|agreements)(/.*)?$"
checks.positive_data_acceptance.enabled = false
[[operations]]
include-path-regex = "/farwire/v1/(productOrders|productOrders/.+/amend|orderPreviews)$"
checks.positive_data_acceptance.enabled = false
[[operations]]
include-name = "POST /farwire/v1/messageTemplates"
checks.positive_data_acceptance.enabled = false
[[operations]]
include-name = "POST /farwire/v1/messages/{id}/receipts"
checks.positive_data_acceptance.enabled = false
[[operations]]
include-name = "POST /farwire/v1/catalogueDocuments"
checks.positive_data_acceptance.enabled = false
[[operations]]
include-name = "POST /farwire/v1/priceImpacts"
checks.positive_data_acceptance.enabled = false
[[operations]]
include-name = "POST /tmf-api/usageManagement/v4/usage"
checks.positive_data_acceptance.enabled = false
"""


async def test_schemathesis_finds_no_answer_that_the_document_does_not_promise(
    served: Any, make_key: Any, tenant_id: TenantId, world: Any, tmp_path: Path
) -> None:
    product = await world.product(await world.account(), await world.plan())
    await world.rated(product, "other", "0.63", at="2026-06-20T10:00Z", quantity=420)
    await world.run()
    server = await asyncio.to_thread(served)
    key = await make_key(tenant_id, Role.TENANT_ADMIN)
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{server.base}/openapi.json"),
        *("--header", f"Authorization: Bearer {key}"),
        *("--max-examples", str(EXAMPLES), "--seed", "1"),
        *("--phases", "examples,coverage,fuzzing", "--request-timeout", "10", "--no-color"),
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
