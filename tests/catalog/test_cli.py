"""``farwire catalog`` and ``farwire deck`` as a person types them."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.kernel.ids import TenantId
from farwire.tenant import service as tenants
from farwire.tenant.model import Address

PLAN = """
offering = "calls"
name = "Calls"
valid_from = 2026-01-01T00:00:00Z
currency = "USD"
zone = "UTC"
prices_include_tax = false
[[usage]]
id = "voice"
kind = "voice"
deck = "wholesale"
"""

Farwire = Callable[..., tuple[int, Any]]


@pytest.fixture
async def farwire(
    farwire_command: tuple[str, ...],
    db: Database,
    tenant_id: TenantId,
    database_env: dict[str, str],
    tmp_path: Path,
) -> Farwire:
    async with db.untenanted() as tx:
        name = await tx.fetchval("SELECT name FROM tenant.tenant WHERE tenant_id = $1", tenant_id)
    env = {**os.environ, **database_env, "FARWIRE_TENANT": str(name)}

    def run(*arguments: str) -> tuple[int, Any]:
        command = [*farwire_command, *arguments, "--json"]
        done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
        text = done.stdout or done.stderr
        return done.returncode, json.loads(text) if text else None

    (tmp_path / "calls.toml").write_text(PLAN)
    return run


async def test_a_plan_is_checked_published_and_shown(farwire: Farwire, tmp_path: Path) -> None:
    assert farwire("catalog", "check", "calls.toml")[0] == 0
    code, first = farwire("catalog", "publish", "calls.toml")
    assert (code, first["new"]) == (0, True)
    assert farwire("catalog", "publish", "calls.toml")[1]["new"] is False
    assert farwire("catalog", "list")[1]["items"][0]["code"] == "calls"
    shown = farwire("catalog", "show", "calls")[1]
    assert shown["price_plans"][0]["plan_version_id"] == first["plan_version_id"]
    assert farwire("catalog", "show", "calls", "--at", "2026-07-01")[1]["offering"] == "calls"
    (tmp_path / "calls.toml").write_text(PLAN.replace("USD", "XXQ"))
    code, error = farwire("catalog", "check", "calls.toml")
    assert (code, error["error"]["code"]) == (3, "money.currency_unknown")
    assert farwire("catalog", "show", "none")[0] == 4


async def test_a_deck_is_imported_listed_and_looked_up(farwire: Farwire, tmp_path: Path) -> None:
    (tmp_path / "rates.csv").write_text("Code,Rate\n49,0.10\nx,1\n4930,0.05\n")
    options = ["--name", "wholesale", "--currency", "USD", "--valid-from", "2026-06-01"]
    options += ["--column", "prefix=Code", "--column", "price=Rate"]
    code, report = farwire("deck", "import", "rates.csv", *options)
    assert (code, report["imported"], report["rows"][0]["row"]) == (3, 0, 2)
    code, report = farwire("deck", "import", "rates.csv", *options, "--skip-bad-rows")
    assert (code, report["imported"], report["bad"]) == (0, 2, 1)
    assert farwire("deck", "list")[1]["items"][0]["rows"] == 2
    found = farwire("deck", "lookup", "wholesale", "4930123", "--at", "2026-06-02")[1]["items"]
    assert [(row["prefix"], row["price"]) for row in found] == [("4930", "0.05"), ("49", "0.1")]


async def test_a_plan_in_another_currency_than_its_deck_is_not_published(
    farwire: Farwire, tmp_path: Path
) -> None:
    (tmp_path / "rates.csv").write_text("prefix,price\n44,0.01\n")
    options = ("--name", "wholesale", "--currency", "EUR", "--valid-from", "2026-01-01")
    assert farwire("deck", "import", "rates.csv", *options)[0] == 0
    code, error = farwire("catalog", "publish", "calls.toml")
    assert (code, error["error"]["code"]) == (3, "rating.deck_currency")
    assert farwire("catalog", "list")[1]["items"] == []


async def test_a_tax_category_that_no_company_of_the_tenant_can_bill_is_not_published(
    farwire: Farwire, db: Database, tenant_id: TenantId, clock: MovableClock, tmp_path: Path
) -> None:
    async def company(country: str) -> None:
        await tenants.add_legal_entity(
            db=db, clock=clock, tenant_id=tenant_id, name=f"Nordlicht {country}", vat_id="DE123456789",
            address=Address(country, {}), country=country, currency_code="USD", zone_name="UTC",
            number_prefix=country,
        )  # fmt: skip

    def publish(category: str) -> tuple[int, Any]:
        text = PLAN.replace('deck = "wholesale"', 'price = "1"')
        text += f'[[usage]]\nid = "sms"\nkind = "message"\nprice = "1"\ntax = "{category}"\n'
        (tmp_path / "calls.toml").write_text(text)
        return farwire("catalog", "publish", "calls.toml")

    await company("DE")
    code, answer = publish("telecom_prepaid")
    assert code == 3, answer
    error = answer["error"]
    assert (error["code"], error["field"]) == ("catalog.tax_category_unknown", "usage[1].tax")
    assert error["value"] == "telecom_prepaid"
    assert "digital, exempt, out_of_scope, reverse_charge, telecom, zero_rated" in error["fix"]
    assert farwire("catalog", "list")[1]["items"] == []
    await company("MY")
    assert publish("telecom_prepaid")[0] == 0


async def test_the_example_is_published_shown_retired_and_launched(farwire: Farwire, tmp_path: Path) -> None:
    code, text = farwire("catalog", "example")
    assert code == 0
    (tmp_path / "shop.toml").write_text(text)
    assert farwire("catalog", "check", "shop.toml")[1]["offerings"] == 2
    code, refused = farwire("catalog", "publish", "shop.toml", "--as", "staff-7")
    assert (code, refused["error"]["code"]) == (3, "catalog.pool_unknown")
    for pool, kind in (("msisdn", "msisdn"), ("esim", "esim_profile")):
        assert farwire("pool", "create", pool, "--kind", kind)[0] == 0
    code, published = farwire("catalog", "publish", "shop.toml", "--as", "staff-7")
    assert code == 0, published
    assert [(row["code"], row["new"]) for row in published["items"]][-2:] == [
        ("talk", True),
        ("talk-family", True),
    ]
    assert {row["new"] for row in farwire("catalog", "publish", "shop.toml")[1]["items"]} == {False}
    shown = farwire("catalog", "show", "talk")[1]
    assert shown["not_sold"].startswith("talk has no price")
    (tmp_path / "talk.toml").write_text(
        PLAN.replace('"calls"', '"talk"', 1).replace('deck = "wholesale"', 'price = "1"')
    )
    assert farwire("catalog", "publish", "talk.toml")[0] == 0
    shown = farwire("catalog", "show", "talk")[1]
    assert shown["terms"]["minimum_term_months"] == 24
    assert [service["code"] for service in shown["services"]] == ["mobile-line"]
    sold = farwire("catalog", "list", "--region", "DE", "--channel", "web")[1]["items"]
    assert [row["code"] for row in sold] == ["talk"]
    assert farwire("catalog", "list", "--region", "FR")[1]["items"] == []
    assert farwire("catalog", "retire", "talk")[1]["lifecycle"] == "retired"
    assert farwire("catalog", "list", "--region", "DE", "--channel", "web")[1]["items"] == []
    assert farwire("catalog", "move", "talk", "in_test")[0] == 5
    assert farwire("catalog", "launch", "talk")[1]["lifecycle"] == "launched"
    kinds = farwire("catalog", "list", "--kind", "service_specification")[1]["items"]
    assert [row["code"] for row in kinds] == ["mobile-line"]


async def test_an_impact_of_nobody_is_empty_and_of_a_catalogue_file_refused(
    farwire: Farwire, tmp_path: Path
) -> None:
    (tmp_path / "calls.toml").write_text(PLAN.replace('deck = "wholesale"', 'price = "1"'))
    assert farwire("catalog", "publish", "calls.toml")[0] == 0
    days = ("--from", "2026-06-01", "--until", "2026-07-01")
    code, found = farwire("catalog", "impact", "calls.toml", *days)
    assert code == 0, found
    assert (code, found["accounts"], found["difference"]) == (0, 0, "0.00")
    (tmp_path / "shop.toml").write_text(farwire("catalog", "example")[1])
    assert farwire("catalog", "impact", "shop.toml")[0] == 3
    assert farwire("catalog", "impact", "calls.toml", "--from", "2026-07-02", "--until", "2026-07-01")[0] == 3
