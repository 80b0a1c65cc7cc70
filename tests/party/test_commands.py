"""The command line about customers: what it says and how it ends."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

ADDRESS = ("street=Deich", "house_number=5", "postcode=20459", "city=Hamburg")
Farwire = Callable[..., Any]


@pytest.fixture
def farwire(farwire_command: tuple[str, ...], database_env: dict[str, str]) -> Farwire:
    """Run a command with --json; return its document, or the error that it ends with."""

    def call(*words: str, code: int = 0, plain: bool = False) -> Any:
        done = subprocess.run(
            [*farwire_command, *words, *([] if plain else ["--json"])],
            env={**os.environ, **database_env, "FARWIRE_TENANT": "acme"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr + done.stdout
        if plain:
            return done.stdout + done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else json.loads(done.stderr or "null")

    return call


def fields(*pairs: str) -> list[str]:
    return [word for pair in pairs for word in ("--field", pair)]


def test_a_customer_from_the_first_word_to_the_last(farwire: Farwire) -> None:
    farwire("tenant", "create", "acme", "--country", "DE", "--prefix", "AM", "--vat-id", "DE1")
    assert "farwire party add" in farwire("party", "list", plain=True)
    anna = farwire(
        "party", "add", "--name", "Anna", *fields(*ADDRESS), "--email", "a@b.de", "--email", "c@d.de"
    )
    assert anna["contacts"] == ["email:a@b.de", "email:c@d.de"]
    opened = farwire(
        "account", "open", "1", "--party", anna["id"], "--opened-at", "2026-06-01", "--cycle-day", "15"
    )
    assert (opened["party"], opened["cycle_day"]) == (anna["id"], 15)
    refused = farwire("account", "change", "1", "--cycle-day", "1", code=5)
    assert refused["error"]["code"] == "account.cycle_fixed"
    updated = farwire("party", "update", "1", "--phone", "+4915112345678", "--version", "1")
    assert updated["contacts"] == ["email:a@b.de", "email:c@d.de", "phone:+4915112345678"]
    assert farwire("party", "update", "1", "--name", "X", "--version", "1", code=5)["error"]["fix"]
    number = ("--document", "passport", "--number", "L01X00T47")
    verified = farwire("party", "verify", "1", *number, "--as", "office-2")
    assert (verified["state"], verified["last4"], verified["decided_by"]) == ("verified", "0T47", "office-2")
    assert (
        farwire("party", "reject", "1", "--reason", "forged", code=5)["error"]["code"]
        == "party.kyc_transition"
    )
    werft = farwire("party", "add", "--organization", "--name", "Werft", *fields(*ADDRESS))
    roles = farwire("party", "role", "1", "contact", "--of", werft["id"])
    assert [(one["role"], one["of"]) for one in roles["items"]] == [("contact", werft["id"])]
    assert farwire("party", "erase", "1", "--yes", code=5)["error"]["code"] == "party.still_active"
    assert farwire("account", "close", "1")["state"] == "closed"
    assert farwire("party", "erase", "1", "--yes")["party"] == anna["id"]
    assert json.loads(farwire("party", "export", anna["id"], plain=True))["party"]["name"] == ""
    assert farwire("party", "show", "2", code=4)["error"]["code"] == "account.unknown"


def test_a_share_that_does_not_fit_is_refused_with_what_to_do(farwire: Farwire) -> None:
    farwire("tenant", "create", "acme", "--country", "DE", "--prefix", "AM")
    anna = farwire("party", "add", "--name", "Anna", *fields(*ADDRESS))
    for number in ("1", "2", "3"):
        farwire("account", "open", number, "--party", anna["id"], "--opened-at", "2026-06-01")
    assert "farwire account route 1" in farwire("account", "routes", "1", plain=True)
    monthly = ("--kind", "recurring", "--from", "2026-06-01")
    farwire("account", "route", "1", "2", "--percent", "60", *monthly)
    for payer, percent, code in (
        ("3", "41", "account.route_over_100"),
        ("1", "10", "account.route_self"),
    ):
        words = ("account", "route", "1", payer, "--percent", percent, *monthly)
        assert farwire(*words, code=5)["error"]["code"] == code
    chained = farwire("account", "route", "2", "3", "--percent", "10", *monthly, code=5)
    assert chained["error"]["code"] == "account.route_chain"
    farwire("account", "end-route", "1", "2", "--at", "2026-07-01")
    assert [one["percent"] for one in farwire("account", "routes", "2")["items"]] == ["60.00"]


def test_companies_and_agreements_say_what_is_wrong(farwire: Farwire) -> None:
    farwire("tenant", "create", "acme", "--country", "DE", "--prefix", "AM")
    taken = farwire("tenant", "add-company", "acme", "AMCN", "--company", "Other", code=5)
    assert taken["error"]["code"] == "tenant.number_prefix_taken"
    wrong = farwire("tenant", "company", "acme", "AM", "--bank", "main=DE88370400440532013000", code=3)
    assert wrong["error"]["code"] == "tenant.iban"
    book = ("--code", "1400", "--name", "Forderungen")
    assert (
        farwire("ledger", "chart", "--book", "nothing", *book, code=3)["error"]["code"]
        == "ledger.book_unknown"
    )
    named = farwire("ledger", "chart", "--book", "receivable", *book)["items"]
    assert [one["name"] for one in named if one["code"] == "1400"] == ["Forderungen"]
    anna = farwire("party", "add", "--name", "Anna", *fields(*ADDRESS))
    words = ("agreement", "add", "A-1", "--party", anna["id"], "--from", "2026-07-01")
    assert farwire(*words, "--price", "line", code=3)["error"]["code"] == "cli.agreement_option"
    unknown = farwire(*words, "--price", "line/monthly=1", code=3)
    assert unknown["error"]["code"] == "agreement.offering_unknown"
    assert "farwire agreement add" in farwire("agreement", "list", plain=True)
