"""The commands of pools and of the inventory, run as a person runs them."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from farwire.base.storage import Database
from farwire.inventory import service
from farwire.kernel.ids import ProductId, TenantId

from .products import JULY, JUNE

Farwire = Callable[..., Any]


@pytest.fixture
def farwire(farwire_command: tuple[str, ...], database_env: dict[str, str], tenant_id: TenantId) -> Farwire:
    """Run a command of the tenant with --json; return its document, or what it said against it."""

    def call(*words: str, code: int = 0) -> Any:
        done = subprocess.run(
            [*farwire_command, *words, "--json"],
            env={**os.environ, **database_env, "FARWIRE_TENANT": "nordlicht"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr + done.stdout
        return json.loads(done.stdout or done.stderr)

    return call


def test_a_pool_from_nothing_to_a_released_reservation(farwire: Farwire, tmp_path: Path) -> None:
    assert farwire("pool", "list")["items"] == []
    farwire("pool", "create", "mobile", "--kind", "msisdn", "--quarantine-days", "90")
    filled = farwire("pool", "fill", "mobile", "--first", "4915100000000", "--last", "4915100009999")
    assert (filled["added"], filled["available"]) == (10_000, 10_000)
    found = farwire("pool", "free", "mobile", "--pattern", "*777", "--limit", "2")
    assert ([one["value"] for one in found["items"]], found["total"]) == (
        ["4915100000777", "4915100001777"],
        10,
    )
    profiles = tmp_path / "profiles.csv"
    profiles.write_text("value,imsi,matching_id\n8949020000000000017,262011234567890,M-1\n")
    farwire("pool", "create", "esim", "--kind", "esim_profile")
    assert farwire("pool", "fill", "esim", "--file", str(profiles))["added"] == 1
    (profile,) = farwire("pool", "free", "esim")["items"]
    assert profile == {"value": "8949020000000000017", "imsi": "262011234567890", "matching_id": "M-1"}
    assert farwire("pool", "release", "unknown")["freed"] == 0
    assert [one["name"] for one in farwire("pool", "list")["items"]] == ["esim", "mobile"]
    assert farwire("inventory", "resources", "--pool", "esim")["total"] == 1
    acts = [one["action"] for one in farwire("audit", "list", "--action", "inventory.")["items"]]
    assert acts == ["inventory.fill_pool", "inventory.create_pool"] * 2


def test_a_pool_with_ranges_gives_addresses_and_subnets(farwire: Farwire) -> None:
    farwire("pool", "create", "cpe", "--kind", "ipv4", "--scope", "red", "--warn", "70")
    assert farwire("pool", "ranges", "cpe")["items"] == []
    ranged = farwire("pool", "range", "cpe", "10.0.0.0/8", "--gateway", "10.0.0.1")
    kept = [(one["range"], one["withheld_for"]) for one in ranged["items"]]
    assert kept[1:] == [("10.0.0.0", "network"), ("10.0.0.1", "gateway"), ("10.255.255.255", "broadcast")]
    assert len(farwire("pool", "withhold", "cpe", "10.0.0.2", "--reason", "mine")["items"]) == 5
    assert farwire("pool", "reserve", "cpe", "--key", "a")["items"][0]["value"] == "10.0.0.3"
    assert farwire("pool", "offer", "cpe", "10.0.0.2") == ranged
    chosen = farwire("pool", "reserve", "cpe", "--key", "b", "--value", "10.9.9.9")
    assert [one["value"] for one in chosen["items"]] == ["10.9.9.9"]
    shown = farwire("pool", "show", "cpe")
    assert (shown["scope"], shown["total"], shown["used_percent"]) == ("red", 2**24 - 3, 0)
    farwire("pool", "create", "nets", "--kind", "ipv4_prefix", "--length", "29")
    farwire("pool", "range", "nets", "192.0.2.0/24")
    got = farwire("pool", "reserve", "nets", "--key", "c", "--length", "26")
    assert [one["value"] for one in got["items"]] == ["192.0.2.0/26"]
    farwire("pool", "create", "two", "--kind", "ipv4", "--scope", "red")
    refused = farwire("pool", "range", "two", "10.1.0.0/16", code=5)["error"]
    assert refused["code"] == "inventory.pool_overlap"
    assert "pool two" in refused["message"]
    assert "pool cpe" in refused["message"]


def test_wrong_words_are_refused_with_what_to_do(farwire: Farwire, tmp_path: Path) -> None:
    assert farwire("pool", "show", "none", code=4)["error"]["code"] == "inventory.pool_unknown"
    farwire("pool", "create", "esim", "--kind", "esim_profile")
    assert farwire("pool", "create", "esim", "--kind", "msisdn", code=5)["error"]["fix"]
    assert farwire("pool", "fill", "esim", code=3)["error"]["code"] == "inventory.fill_source"
    bad = tmp_path / "bad.csv"
    for text, code in (
        ("iccid\n8949020000000000017\n", "inventory.file_header"),
        ("value,imsi\n8949020000000000017,12\n", "inventory.resource_attribute"),
        ('value\n"8949', "inventory.file_malformed"),
    ):
        bad.write_text(text)
        assert farwire("pool", "fill", "esim", "--file", str(bad), code=3)["error"]["code"] == code
    assert farwire("pool", "show", "esim")["total"] == 0


PLAN = """
offering = "talk"
name = "Talk"
valid_from = 2026-01-01T00:00:00Z
currency = "EUR"
zone = "Europe/Berlin"
prices_include_tax = false
"""


@pytest.fixture
def product_id(farwire: Farwire, tmp_path: Path) -> ProductId:
    """Sell "talk" to account 4711 from June on."""
    farwire("tenant", "add-company", "nordlicht", "NM", "--company", "North", "--country", "DE")
    (tmp_path / "talk.toml").write_text(PLAN)
    farwire("catalog", "publish", str(tmp_path / "talk.toml"))
    who = ("--name", "Maja", "--field", "street=Kai 1", "--field", "postcode=20095", "--field", "city=Kiel")
    farwire("account", "add", "4711", "--offering", "talk", "--activated-at", "2026-06-01T00:00:00Z", *who)
    (product,) = farwire("account", "show", "4711")["products"]
    assert product["offering"] == "talk"
    return ProductId(UUID(product["id"]))


async def test_who_had_a_number_is_told_and_written_down(
    farwire: Farwire, db: Database, tenant_id: TenantId, product_id: ProductId
) -> None:
    farwire("pool", "create", "mobile", "--kind", "msisdn")
    farwire("pool", "fill", "mobile", "--first", "4915112345678", "--last", "4915112345678")
    async with db.transaction(tenant_id) as tx:
        await service.reserve(tx, pool="mobile", key="k", now=JUNE)
        await service.give_resources(tx, key="k", product_id=product_id, at=JUNE, now=JUNE)
    assert farwire("pool", "release", "k", code=5)["error"]["code"] == "inventory.assigned"
    (resource,) = farwire("inventory", "resources", "--state", "assigned")["items"]
    assert resource["value"] == "***********78"
    number = ("--number", "+4915112345678", "--as", "staff-7")
    (use,) = farwire("inventory", "history", *number, "--at", "2026-06-15")["items"]
    assert (use["product_id"], use["valid_from"]) == (str(product_id), "2026-06-01T00:00:00Z")
    assert farwire("inventory", "history", *number, "--at", "2026-05-15")["items"] == []
    trace = farwire("audit", "list", "--action", "inventory.trace")["items"][0]
    assert trace["subject"] == resource["id"]
    assert "4915112345678" not in json.dumps(farwire("audit", "list")["items"])
    async with db.transaction(tenant_id) as tx:
        await service.end_product(tx, product_id=product_id, at=JULY)
    facts = farwire("inventory", "history", "--product", str(product_id))["items"]
    assert [fact["what"] for fact in facts][-2:] == ["subscriber_ended", "ended"]
    (row,) = farwire("inventory", "products", "--at", "2026-06-30")["items"]
    assert (row["state"], row["ended_at"]) == ("active", "2026-07-01T00:00:00Z")
    assert (row["account"], row["offering"]) == ("4711", "talk")
    assert farwire("inventory", "products", "--state", "active", "--at", "2026-07-01")["items"] == []
    assert farwire("inventory", "services")["items"] == []
