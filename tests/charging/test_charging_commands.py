"""``farwire charging`` for real: a shard process, commands over its socket, kill -9, SIGTERM."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from farwire.base.clock import MovableClock, SystemClock
from farwire.base.storage import Database
from farwire.catalog.service import publish_plan
from farwire.kernel.ids import TenantId
from tests.charging.desk import go_5, sell_go_5
from tests.payment.till import Till

MAIN = "from farwire.app import main; main()"
Farwire = Callable[..., Any]
MSISDN = "4915112345678"


@pytest.fixture
def environment(database_env: dict[str, str], tmp_path: Path) -> dict[str, str]:
    return {**os.environ, **database_env, "FARWIRE_TENANT": "nordlicht", "COLUMNS": "200"}


@pytest.fixture
def farwire(farwire_command: tuple[str, ...], environment: dict[str, str]) -> Farwire:
    """Run a command with --json; return its document, or fail with what it said."""

    def call(*words: str, code: int = 0, plain: bool = False) -> Any:
        done = subprocess.run(
            [*farwire_command, "charging", *words, *(() if plain else ("--json",))],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr + done.stdout
        if plain:
            return done.stdout + done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else json.loads(done.stderr)["error"]

    return call


@pytest.fixture(autouse=True)
async def company(db: Database, tenant_id: TenantId, clock: MovableClock) -> None:
    """Somebody has to owe what is on balances."""
    await Till(db, clock, tenant_id).company()


class Shards:
    """Shard processes of one test."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        self.started: list[subprocess.Popen[str]] = []

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a shard and wait until it answers."""
        one = subprocess.Popen(
            [sys.executable, "-c", MAIN, "charging", "serve", "--records", "10000", *words],
            env=self.environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(one)
        assert one.stderr is not None
        said = ""
        for line in one.stderr:
            said += line
            if "serves at" in line:
                return one
        raise AssertionError(said)


@pytest.fixture
def shards(environment: dict[str, str]) -> Iterator[Shards]:
    found = Shards(environment)
    yield found
    for one in found.started:
        if one.poll() is None:
            one.kill()
        one.wait()
        if one.stderr is not None:
            one.stderr.close()


def until(found: Callable[[], Any]) -> Any:
    """Return what ``found`` returns as soon as it is something."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        result = found()
        if result:
            return result
        time.sleep(0.2)
    raise AssertionError("it never came")


@pytest.mark.parametrize("log", ["file", "postgres"])
async def test_a_balance_survives_kill_9_and_the_end_is_in_order(
    db: Database, tenant_id: TenantId, farwire: Farwire, shards: Shards, log: str
) -> None:
    await sell_go_5(db, tenant_id, SystemClock())
    opened = farwire("account", "open", "--offering", "go-5", "--msisdn", MSISDN, "--key", "a")
    first = shards.start("--log", log)
    until(lambda: farwire("account", "list")["items"][0]["live"])
    assert farwire("account", "show", MSISDN)["state"] == "pool"
    done = farwire("account", "topup", MSISDN, "10.00", "--key", "t")
    assert (done["balance"], done["state"]) == ("10.00 EUR", "active")
    first.kill()
    assert farwire("account", "show", MSISDN, code=8)["code"] == "charging.no_answer"
    second = shards.start("--log", log)
    assert farwire("account", "topup", MSISDN, "10.00", "--key", "t")["balance"] == "10.00 EUR", "once"
    assert farwire("account", "buy", MSISDN, "go-5")["balance"] == "5.00 EUR"
    shown = farwire("account", "show", str(opened["number"]))
    assert [one["amount"] for one in shown["balances"]] == ["2 GB", "5.00 EUR"]
    second.send_signal(signal.SIGTERM)
    assert second.wait(60) == 0
    third = shards.start("--log", log)
    assert farwire("account", "show", MSISDN)["balance"] == "5.00 EUR"
    assert third.poll() is None


async def test_commands_change_balances_and_say_why_they_are_refused(
    db: Database, tenant_id: TenantId, other_tenant_id: TenantId, farwire: Farwire, shards: Shards
) -> None:
    await sell_go_5(db, tenant_id, SystemClock())
    shards.start()
    for place in ("1", "2"):
        farwire(
            "account",
            "open",
            "--offering",
            "go-5",
            "--name",
            f"n{place}",
            "--circle",
            "family",
            "--key",
            place,
        )
    farwire("account", "topup", "n1", "5.00")
    done = farwire("account", "transfer", "n1", "n2", "2.50")
    assert done["balance"] == "2.50 EUR"
    refused = farwire("account", "transfer", "n1", "n2", "2.51", code=5)
    assert refused["code"] == "charging.refused"
    assert "no balance has anything left" in refused["message"]
    (why,) = farwire("account", "why", "n1")["items"]
    assert (why["what"], why["result"]) == ("command transfer", "credit_limit_reached (4012)")
    assert farwire("account", "adjust", "n1", "--by=-0.50")["balance"] == "2.00 EUR"
    assert farwire("account", "adjust", "n1", "--by", "1", "--balance", "9", code=4)["code"] == (
        "charging.balance_unknown"
    )
    farwire("account", "bar", "n1")
    barred = farwire("account", "buy", "n1", "go-5", code=5)
    assert "the account is barred" in barred["message"]
    farwire("account", "unbar", "n1")
    assert farwire("account", "loan", "n1", code=5)["code"] == "charging.refused"
    farwire("account", "limit", "n1", "3.00", "--period", "day")
    farwire("account", "share", "n1", "n2", "--cap", "2.00", "--priority", "1")
    shown = farwire("account", "show", "n1")
    assert [(one["limit"], one["of"], one["amount"], one["opted_on"]) for one in shown["limits"]] == [
        (22, "roaming", "50.00 EUR", False),
        (31, "all", "3.00 EUR", False),
    ]
    assert [(one["of"], one["cap"], one["priority"]) for one in shown["shares"]] == [("money", "2.00 EUR", 1)]
    farwire("account", "unshare", "n1", "n2")
    assert farwire("account", "sessions", "n1", plain=True).startswith("No session is open")
    moved = until(lambda: len(farwire("account", "movements", "n1")["items"]) == 3 or None)
    assert moved
    traced = farwire("account", "trace", "n1")["items"]
    assert [(one["what"], one["text"].split(" until ")[0]) for one in traced[:4]] == [
        ("account", "opened on go-5"),
        ("movement", "top up: +5.00 EUR on balance 1"),
        ("notice", "activated"),
        ("movement", "transfer out: -2.50 EUR on balance 1"),
    ]
    refused = [one["text"] for one in traced if one["what"] == "denial"]
    assert refused[0].startswith("command transfer: no balance has anything left")
    assert farwire("account", "trace", "n1", "--limit", "2")["items"] == traced[-2:]
    assert (
        farwire("account", "show", "n1", "--tenant", "sunrise", code=4)["code"] == "charging.account_unknown"
    )
    number = str(farwire("account", "show", "n1")["number"])
    assert (
        farwire("account", "show", number, "--tenant", "sunrise", code=4)["code"]
        == "charging.account_unknown"
    )
    assert farwire("account", "forget", "n1")["erased"] == 1
    assert farwire("account", "show", "n1", code=4)["code"] == "charging.account_unknown"
    assert farwire("account", "show", number)["balance"] == "2.00 EUR"


def test_a_wrong_file_is_refused_with_the_path_of_the_field(
    farwire: Farwire, tmp_path: Path, shop: None
) -> None:
    file = tmp_path / "terms.toml"
    file.write_text('offering = "go-5"\n[[gives]]\nallowance = "x"', encoding="utf-8")
    error = farwire("offer", "set", str(file), code=3)
    assert (error["code"], error["field"]) == ("charging.terms_field", "gives[0].allowance")
    assert farwire("plan", "set", str(tmp_path / "none"), code=4)["code"] == "charging.file_missing"
    assert farwire("account", "open", "--offering", "other", code=4)["code"] == "catalog.plan_not_in_force"


@pytest.fixture
async def shop(db: Database, tenant_id: TenantId) -> None:
    await sell_go_5(db, tenant_id, SystemClock())


async def test_terms_are_set_by_file_and_reach_a_shard_that_runs(
    db: Database, tenant_id: TenantId, farwire: Farwire, shards: Shards, tmp_path: Path
) -> None:
    async with db.transaction(tenant_id) as tx:
        await publish_plan(tx=tx, clock=SystemClock(), plan=go_5())
    shards.start("--metrics", "127.0.0.1:29464")
    plan, offer = tmp_path / "plan.toml", tmp_path / "offer.toml"
    plan.write_text(
        'offering = "go-5"\n[loan]\namount = "1.00"\nbelow = "0.50"\nfee = "0.10"\n', encoding="utf-8"
    )
    offer.write_text('offering = "go-5"\n[[gives]]\namount = "100 MB"\n', encoding="utf-8")
    assert farwire("plan", "set", str(plan))["new"]
    assert not farwire("plan", "set", str(plan))["new"]
    first = farwire("offer", "set", str(offer))["number"]
    assert farwire("plan", "show", "go-5")["loan"] == "1.00 EUR"
    assert farwire("offer", "show", "go-5")["gives"] == ["100 MB"]
    farwire("account", "open", "--offering", "go-5", "--imsi", "262011234567890")
    until(lambda: farwire("account", "list")["items"][0]["live"])
    assert farwire("account", "topup", "262011234567890", "0.10")["state"] == "active"
    assert farwire("account", "loan", "262011234567890")["balance"] == "1.10 EUR"
    offer.write_text('offering = "go-5"\nprice = "pass"\ndays = 3\n', encoding="utf-8")
    second = farwire("offer", "set", str(offer))
    assert (second["version"], second["number"]) == (2, first + 1)
    farwire("account", "topup", "262011234567890", "10")
    until(lambda: try_(farwire, "account", "buy", "262011234567890", "go-5", "--renews"))
    farwire("account", "auto-renew", "262011234567890", "go-5", "--off")
    shown = farwire("account", "show", "262011234567890")
    assert [one["renews"] for one in shown["offers"]] == [False]
    assert (shown["balance"], shown["balances"][0]["amount"]) == ("5.00 EUR", "2 GB")
    text = scraped("http://127.0.0.1:29464/metrics")
    assert 'farwire_charging_requests_total{request="command",result="success"}' in text
    assert 'farwire_charging_request_seconds_bucket{le="0.0001",request="event"}' in text
    assert [one["offering"] for one in farwire("offer", "list")["items"]] == ["go-5"]


def scraped(url: str) -> str:
    with urllib.request.urlopen(url, timeout=60) as reply:  # noqa: S310 - our own process
        return str(reply.read().decode())


def try_(farwire: Farwire, *words: str) -> Any:
    try:
        return farwire(*words)
    except AssertionError:
        return None


def test_a_shard_says_why_it_cannot_serve(
    farwire: Farwire, shards: Shards, shop: None, tmp_path: Path
) -> None:
    assert "charging.durability_unsupported" in farwire("serve", "--durability", "zone", plain=True, code=3)
    one = shards.start()
    held = farwire("serve", plain=True, code=5)
    assert "charging.log_locked" in held
    elsewhere = {**shards.environment, "FARWIRE_DATA_DIR": str(tmp_path / "other")}
    done = subprocess.run(
        [sys.executable, "-c", MAIN, "charging", "serve"],
        env=elsewhere,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 5
    assert "charging.shard_held" in done.stderr
    farwire("account", "open", "--offering", "go-5", "--name", "x")
    farwire("account", "topup", "x", "1")
    farwire("account", "topup", "x", "1")
    one.send_signal(signal.SIGTERM)
    assert one.wait(60) == 0
    (segment,) = [
        path
        for path in (tmp_path / "charging" / "shard-0").iterdir()
        if path.stat().st_size and damaged(path)
    ]
    assert "charging.log_damaged" in farwire("serve", plain=True, code=70)
    assert segment.exists()


def damaged(path: Path) -> bool:
    """Damage the second batch of a segment that has some; return whether it had."""
    data = bytearray(path.read_bytes())
    places = [at for at in range(4096, len(data), 4096) if data[at : at + 8] == b"FWBATCH1"]
    if len(places) < 3:
        return False
    data[places[1] + 200] ^= 0xFF
    path.write_bytes(data)
    return True
