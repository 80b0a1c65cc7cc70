"""``farwire payment`` and ``farwire ledger`` for real, from a bill to a closed month."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from farwire.base.audit.service import latest
from farwire.kernel.errors import Forbidden
from farwire.payment import service as payments
from farwire.payment.model import MethodKind, Notice, Payment
from farwire.payment.store.simulated import signed

from .till import ANNA, Till, eur

Farwire = Callable[..., Any]


@pytest.fixture
def farwire(farwire_command: tuple[str, ...], database_env: dict[str, str]) -> Farwire:
    """Run a command with --json; return its document, or fail with what it said."""

    def call(*words: str, code: int = 0, plain: bool = False) -> Any:
        done = subprocess.run(
            [*farwire_command, *words, *(() if plain else ("--json",))],
            env={**os.environ, **database_env, "FARWIRE_TENANT": "nordlicht", "COLUMNS": "200"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr + done.stdout
        if plain:
            return done.stdout + done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else json.loads(done.stderr)

    return call


async def test_a_day_at_the_counter(till: Till, farwire: Farwire) -> None:
    account = await till.account()
    bill = await till.bill(account, "58.14", on=date(2026, 6, 1))
    assert "No payment yet" in farwire("payment", "list", plain=True)
    paid = farwire(
        *("payment", "take", "60.00", "--account", "100001", "--method", "bank_transfer"),
        *("--external", "BANK-1", "--received", "2026-06-05T10:00+02:00"),
    )
    assert (paid["left"], paid["pays"]) == ("1.86 EUR", [f"{bill.number} 58.14 EUR"])
    again = (
        "payment",
        "take",
        "60.00",
        "--account",
        "100001",
        "--method",
        "bank_transfer",
        "--external",
        "BANK-1",
    )
    assert farwire(*again)["id"] == paid["id"]
    assert farwire("payment", "list", "--account", "100001")["total"] == 1
    assert farwire("payment", "show", paid["id"])["state"] == "done"
    refund = farwire("payment", "refund", paid["id"], "1.86", "--reason", "too much", "--as", "17")
    error = farwire("payment", "approve-refund", refund["id"], "--as", "17", code=6)
    assert error["error"]["code"] == "authz.four_eyes"
    assert farwire("payment", "approve-refund", refund["id"], "--as", "23")["state"] == "paid"
    assert farwire("payment", "refunds", "--state", "paid")["total"] == 1
    lost = farwire("payment", "take", "5.00", "--method", "cash", "--currency", "EUR", "--external", "till-9")
    assert farwire("payment", "suspense")["items"][0]["id"] == lost["id"]
    found = farwire("payment", "suspense", "--assign", lost["id"], "--account", "100001")
    assert (found["state"], found["left"]) == ("done", "5.00 EUR")
    assert "Nothing is in suspense" in farwire("payment", "suspense", plain=True)
    assert farwire("payment", "allocate", lost["id"])["left"] == "5.00 EUR"
    assert farwire("payment", "reverse", lost["id"], "--reason", "false coin")["state"] == "reversed"
    await till.sound()


async def test_cards_are_charged_by_token_and_numbers_are_refused(till: Till, farwire: Farwire) -> None:
    await till.account()
    charged = farwire(
        "payment", "take", "10", "--account", "100001", "--method", "card", "--token", "tok_visa"
    )
    assert charged["state"] == "done"
    denied = ("payment", "take", "10", "--account", "100001", "--method", "card", "--token", "tok_declined")
    assert farwire(*denied, code=1)["reason"] == "card_declined"
    number = ("--account", "100001", "--kind", "card", "--token", "4242424242424242")
    assert farwire("payment", "methods", "add", *number, code=3)["error"]["code"] == "payment.card_number"
    token = ("--account", "100001", "--kind", "card", "--token", "tok_visa", "--last4", "4242")
    kept = farwire("payment", "methods", "add", *token, "--expires", "2028-06")
    assert farwire("payment", "methods", "list")["items"] == [kept]
    assert farwire("payment", "methods", "remove", kept["id"])["removed_at"]
    assert farwire("payment", "take", "1", "--method", "cash", code=3)["error"]["code"] == "payment.currency"


async def test_a_month_is_closed_exported_and_reopened(till: Till, farwire: Farwire, tmp_path: Path) -> None:
    account = await till.account()
    bill = await till.bill(account, "20.00", on=date(2026, 6, 1))
    farwire(
        *("payment", "take", "20.00", "--account", "100001", "--method", "cash"),
        *("--external", "c1", "--received", "2026-06-02"),
    )
    rows = farwire("ledger", "trial-balance", "--month", "2026-06")["items"]
    assert {(row["code"], row["closing"]) for row in rows} == {
        ("1010", "20.00 EUR"),
        ("1200", "0.00 EUR"),
        ("4000", "-20.00 EUR"),
    }
    named = farwire("ledger", "chart", "--book", "4000", "--code", "8400", "--name", "Erlöse")["items"]
    assert [row["code"] for row in named if row["book"] == "4000"] == ["8400"]
    assert farwire("ledger", "close", "--month", "2026-06", "--as", "17")["items"][0]["state"] == "closed"
    out = tmp_path / "june.csv"
    done = farwire("ledger", "export", "--month", "2026-06", "--out", str(out))
    assert done["totals"] == [
        {"currency": "EUR", "postings": 4, "debit": "40.00 EUR", "credit": "40.00 EUR", "remainder_nano": 0}
    ]
    table = list(csv.DictReader(io.StringIO(out.read_text(encoding="utf-8"))))
    assert len(table) == done["rows"] == 4
    assert {row["code"] for row in table} == {"1010", "1200", "8400"}
    lines = farwire("ledger", "export", "--month", "2026-06", "--form", "jsonl", plain=True).splitlines()
    assert [json.loads(line)["entry"] for line in lines] == [row["entry"] for row in table]
    summary = farwire("ledger", "export", "--month", "2026-06", "--summary", plain=True).splitlines()
    assert summary[0].startswith("month,source,code,name,currency,postings,debit,credit")
    assert len(summary) == 5
    months = farwire("ledger", "periods")["items"]
    assert (months[0]["month"], months[0]["state"], months[0]["fiscal"]) == ("2026-06", "closed", "2026/06")
    assert farwire("ledger", "revenue", "--month", "2026-06")["items"][0]["earned"] == "20.00 EUR"
    shown = farwire("ledger", "statement", "100001")["items"]
    assert [row["text"] for row in shown] == ["opening", bill.number, "c1"]
    assert farwire("ledger", "ageing", "--on", "2026-06-01")["items"][0]["not_due"] == "20.00 EUR"
    assert farwire("ledger", "ageing", "--accounts")["total"] == 0
    asked = ("ledger", "reopen", "--month", "2026-06")
    assert farwire(*asked, "--reason", "late", "--as", "17")["reopening_asked_by"] == "operator:17"
    assert farwire(*asked, "--approve", "--as", "17", code=6)["error"]["code"] == "authz.four_eyes"
    assert farwire(*asked, "--approve", "--as", "23")["state"] == "open"
    assert (
        farwire("ledger", "close", "--month", "2099-01", code=5)["error"]["code"] == "ledger.period_not_over"
    )
    assert farwire("ledger", "close", "--month", "June", code=3)["error"]["code"] == "ledger.month"
    assert (
        farwire("ledger", "periods", "--company", "ZZ", code=4)["error"]["code"] == "ledger.company_unknown"
    )


async def test_a_gateway_is_believed_with_the_secret_that_a_command_gave(
    till: Till, farwire: Farwire, tmp_path: Path
) -> None:
    await till.account()
    assert "No gateway has a secret yet" in farwire("payment", "gateway", "list", plain=True)
    file = tmp_path / "secret.txt"
    file.write_text("whsec_3kR9vTqL0pXn2bYc\n")
    given = farwire("payment", "gateway", "set", "card", "--secret-file", str(file), "--as", "anna")
    assert "secret" not in given
    made = farwire("payment", "gateway", "new", "mobile_money")["secret"]
    listed = farwire("payment", "gateway", "list")
    assert [row["method"] for row in listed["items"]] == ["card", "mobile_money"]
    assert made not in farwire("payment", "gateway", "list", plain=True)
    for method, secret in ((MethodKind.CARD, "whsec_3kR9vTqL0pXn2bYc"), (MethodKind.MOBILE_MONEY, made)):
        paid = await told(till, method, secret)
        assert paid is not None
        assert paid.amount == eur("5.00")
    farwire("payment", "gateway", "new", "card")
    with pytest.raises(Forbidden):
        await told(till, MethodKind.CARD, "whsec_3kR9vTqL0pXn2bYc")
    async with till.db.transaction(till.tenant_id) as tx:
        entries = await latest(tx=tx, action_prefix="payment.gateway_secret_set")
    set_by = [(one.act.actor.id, one.act.subject) for one in entries]
    assert sorted(set_by) == [("anna", "card"), ("command-line", "card"), ("command-line", "mobile_money")]


@pytest.mark.parametrize(
    ("method", "secret", "code"),
    [("card", b"too short", "payment.secret"), ("card", b"\xff" * 32, "payment.secret"),
     ("cash", b"x" * 32, "payment.no_gateway")],
)  # fmt: skip
async def test_a_secret_that_is_none_is_refused(
    till: Till, farwire: Farwire, tmp_path: Path, method: str, secret: bytes, code: str
) -> None:
    file = tmp_path / "secret.txt"
    file.write_bytes(secret)
    refused = farwire("payment", "gateway", "set", method, "--secret-file", str(file), code=3)
    assert refused["error"]["code"] == code
    assert farwire("payment", "gateway", "list")["items"] == []


async def told(till: Till, method: MethodKind, secret: str) -> Payment | None:
    """Tell of 5.00 from a payer whom nobody asked, signed with ``secret``."""
    notice = Notice(f"{method}-1", "done", "EUR", 500, till.clock.now().isoformat(), account="nobody")
    payload, signature = signed(notice, secret.encode())
    async with till.db.transaction(till.tenant_id) as tx:
        return await payments.hear_notice(
            tx, method=method, payload=payload, signature=signature, now=till.clock.now(), actor=ANNA
        )
