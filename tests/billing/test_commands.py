"""The command line from an empty installation to a checked invoice."""

import io
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from .world import FLEX_M

Farwire = Callable[..., Any]


@pytest.fixture
def farwire(farwire_command: tuple[str, ...], database_env: dict[str, str]) -> Farwire:
    """Run a command with --json; return its document, or fail with what it said."""

    def call(*words: str, code: int = 0) -> Any:
        done = subprocess.run(
            [*farwire_command, *words, "--json"],
            env={**os.environ, **database_env, "FARWIRE_TENANT": "acme"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr + done.stdout
        return json.loads(done.stdout) if done.stdout.strip() else json.loads(done.stderr or "null")

    return call


@pytest.fixture
def told(farwire_command: tuple[str, ...], database_env: dict[str, str]) -> Callable[..., str]:
    """Run a command; return what it says to people."""

    def call(*words: str, columns: int = 160) -> str:
        environment = {**os.environ, **database_env, "FARWIRE_TENANT": "acme", "COLUMNS": str(columns)}
        command = [*farwire_command, *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    return call


def test_from_an_empty_installation_to_a_checked_invoice(
    farwire: Farwire, told: Callable[..., str], tmp_path: Path
) -> None:
    plan, people, calls, pdf = (
        tmp_path / name for name in ("plan.toml", "people.csv", "calls.csv", "bill.pdf")
    )
    plan.write_text(FLEX_M, encoding="utf-8")
    people.write_text(
        "account,name,offering,activated_at,identifiers,street,postcode,city\n"
        "100001,Anna Jürgensen,flex-m,2026-06-11T14:03+02:00,4915112345678,Deich 5,20459,Hamburg\n"
        "100002,Bert Ohlsen,no-such,2026-06-11T14:03+02:00,4915112345679,Deich 6,20459,Hamburg\n",
        encoding="utf-8",
    )
    calls.write_text(
        "id,caller,called,started_at,seconds\nc1,4915112345678,+4319999999,2026-06-20T10:00:00Z,415\n",
        encoding="utf-8",
    )
    made = farwire(
        "tenant", "create", "acme", "--country", "DE", "--company", "ACME Mobil GmbH", "--vat-id", "DE123456789",
        "--address", "street=Hafenstraße", "--address", "postcode=24103", "--address", "city=Kiel", "--prefix", "AM",
    )  # fmt: skip
    assert (made["zone"], made["companies"][0]["currency"]) == ("Europe/Berlin", "EUR")
    assert farwire("tenant", "show", "acme")["id"] == made["id"]
    again = farwire("tenant", "create", "acme", "--country", "DE")
    assert (again["id"], again["companies"]) == (made["id"], made["companies"])
    assert farwire("tenant", "show", "acme")["companies"] == made["companies"]
    assert farwire("tenant", "list")["total"] == 1
    farwire("catalog", "publish", str(plan))
    imported = farwire("account", "import", str(people), code=1)
    assert (imported["added"], imported["errors"][0]["row"]) == (1, 2)
    added = farwire(
        "account", "add", "100003", "--name", "Carl", "--offering", "flex-m", "--activated-at", "2026-06-01T10:00Z",
        "--field", "street=Deich 7", "--field", "postcode=20459", "--field", "city=Hamburg",
    )  # fmt: skip
    assert added["added"] == 1
    farwire("usage", "import", str(calls), "--profile", "generic-csv")
    farwire("rate")
    report = farwire("bill", "run", "--until", "2026-07-01", "--issue-on", "2026-07-01")
    assert (report["state"], report["billed"], report["errors"]) == ("awaiting_approval", 2, 0)
    assert farwire("bill", "approve", code=6)["error"]["code"] == "authz.four_eyes"
    report = farwire("bill", "approve", "--as", "finance-2")
    assert (report["state"], report["issued"], report["failed"]) == ("completed", 2, 0)
    listed = farwire("bill", "list", "--account", "100001")["items"]
    assert [(row["number"], row["total"]) for row in listed] == [("AM-2026-0000001", "52.19 EUR")]
    assert "│ AM-2026-0000001 │ 100001  │" in told("bill", "list", columns=80)
    shown = farwire("bill", "show", "AM-2026-0000001", "--pdf", str(pdf))
    assert [line["amount"] for line in shown["lines"]] == ["9.90 EUR", "13.33 EUR", "20.00 EUR", "0.63 EUR"]
    sorry = (
        "bill",
        "credit",
        "100001",
        "--net",
        "5",
        "--currency",
        "EUR",
        "--label",
        "Sorry",
        "--reason",
        "t1",
    )
    assert farwire(*sorry)["credit"] == farwire(*sorry)["credit"], "told twice, given once"
    assert farwire(*sorry, "--key", "another")["state"] == "requested"
    assert farwire("bill", "credits")["total"] == 2
    printed = PdfReader(io.BytesIO(pdf.read_bytes())).pages[0].extract_text()
    assert "52,19 €" in printed.replace("\N{NO-BREAK SPACE}", " ")
    assert [(line["quantity"], line["exact"]) for line in shown["lines"]][-1] == ("420 second", "0.630000000")
    table = told("bill", "show", "AM-2026-0000001")
    for word in ("20/30 days", "once", "7 min", "2026-06-11", "2026-06-30", "2026-07-31", "13.333333333"):
        assert word in table
    assert "T22:00" not in table
    words = farwire("bill", "explain", "AM-2026-0000001")["lines"]
    assert "20/30 days" in words["2"]
    single = farwire("bill", "explain", "AM-2026-0000001", "--line", "4")["lines"]["4"]
    assert "7 min" in single
    checked = farwire("bill", "check")
    assert (checked["ok"], checked["differences"]) == (True, [])
    account = farwire("account", "show", "100001")
    assert (account["owes"], account["products"][0]["identifiers"]) == (
        ["52.19 EUR"],
        ["msisdn:4915112345678"],
    )
    assert farwire("account", "list")["total"] == 2
    assert farwire("bill", "cancel")["runs_asked_to_stop"] == 0
    assert farwire("bill", "show", "AM-2026-9999999", code=4)["error"]["code"] == "billing.unknown"
    assert farwire("bill", "run", "--until", "2126-07-01", code=3)["error"]["code"] == "billing.until_future"


def test_a_key_is_shown_once_listed_without_its_secret_and_revoked(farwire: Farwire) -> None:
    farwire("tenant", "create", "acme", "--country", "DE")
    key = farwire("key", "create", "--role", "billing_operator", "--label", "month-end")
    assert key["key"].startswith("fw_acme_")
    listed = farwire("key", "list")["items"]
    assert [(row["label"], row["revoked_at"]) for row in listed] == [("month-end", None)]
    assert "key" not in listed[0]
    assert farwire("key", "revoke", key["id"])["revoked_at"]
    assert farwire("key", "create", "--role", "agent", "--label", "x", "--expires", "2020-01-01", code=3)


@pytest.mark.parametrize(
    "words", [("tenant",), ("key",), ("account",), ("bill",), ("bill", "run"), ("account", "import")]
)
def test_each_help_teaches(farwire_command: tuple[str, ...], words: tuple[str, ...]) -> None:
    done = subprocess.run([*farwire_command, *words, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert len(done.stdout) > 300
