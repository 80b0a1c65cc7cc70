"""An operator on a real `farwire serve` in a process of its own, with a database of its own, for a module of tests."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from farwire.base.authz import Role
from farwire.base.clock import SystemClock
from farwire.base.config import Settings
from farwire.base.storage import open_database
from farwire.base.storage.ephemeral import Server, clone_template
from farwire.tenant import service as tenants
from farwire.tenant.model import Address

from ..conftest import Served  # noqa: TID252 - as elsewhere in tests/api; importlib mode knows no top package

OFFER: dict[str, Any] = {
    "valid_from": "2026-05-01T00:00:00Z",
    "product_specifications": [{"code": "mobile", "name": "Mobile"}],
    "offerings": [{"code": "flex", "name": "Flex", "product_specification": "mobile"}],
}
PLAN: dict[str, Any] = {
    "offering": "flex",
    "name": "Flex",
    "valid_from": "2026-05-01T00:00:00Z",
    "currency": "EUR",
    "zone": "Europe/Berlin",
    "prices_include_tax": False,
    "recurring": [{"id": "monthly", "price": 20}],
}


@dataclass(frozen=True, slots=True)
class Operator:
    """Where it is served, and a key that may do everything."""

    base: str
    key: str

    def http(self) -> httpx.Client:
        """Return a client of its own, for what the third-party one cannot ask."""
        return httpx.Client(base_url=self.base, headers={"authorization": f"Bearer {self.key}"})


async def _key(settings: Settings) -> str:
    db, clock = await open_database(settings), SystemClock()
    try:
        tenant = await tenants.create_tenant(
            db=db, clock=clock, name="nord", display_name="Nord", country="DE", zone_name="Europe/Berlin"
        )
        await tenants.add_legal_entity(
            db=db,
            clock=clock,
            tenant_id=tenant.id,
            name="Nord GmbH",
            vat_id="DE123456789",
            address=Address(
                "DE", {"street": "Kai", "house_number": "1", "postcode": "24103", "city": "Kiel"}, ""
            ),
            country="DE",
            currency_code="EUR",
            zone_name="Europe/Berlin",
            number_prefix="N",
            bank_account="DE89 3704 0044 0532 0130 00",
        )
        text, _ = await tenants.create_key(
            db=db, clock=clock, tenant_id=tenant.id, role=Role.TENANT_ADMIN, label="client"
        )
    finally:
        await db.close()
    return text


@pytest.fixture(scope="module")
def operator(server: Server, worker_id: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """A German operator who sells one offering."""
    folder: Path = tmp_path_factory.mktemp("operator")
    name = f"farwire_clients_{worker_id}"
    clone_template(server, name)
    settings = Settings(data_dir=folder, database_url=server.url(database=name))
    key = asyncio.run(_key(settings))
    env = {
        "FARWIRE_DATABASE_URL": str(settings.database_url),
        "FARWIRE_DATA_DIR": str(folder),
        "FARWIRE_PUBLIC_URL": "https://api.example.org",
    }
    served = Served(env, folder)
    try:
        served.until("/health/ready", 200)
        found = Operator(served.base, key)
        with found.http() as client:
            for document in (OFFER, PLAN):
                answer = client.post(
                    "/farwire/v1/catalogueDocuments", json={"document": document, "name": "f"}
                )
                assert answer.status_code == 201, answer.text
        yield found
    finally:
        served.stop()
