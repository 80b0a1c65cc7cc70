"""``farwire charging`` for real: a shard process, commands over its socket, kill -9, SIGTERM."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from farwire.base.clock import SystemClock
from farwire.base.storage import Database
from farwire.kernel.ids import TenantId
from tests.charging.desk import sell_go_5

MAIN = "from farwire.app import main; main()"
Farwire = Callable[..., Any]
MSISDN = "4915112345678"


@pytest.fixture
def environment(database_env: dict[str, str], tmp_path: Path) -> dict[str, str]:
    return {**os.environ, **database_env, "FARWIRE_TENANT": "nordlicht", "COLUMNS": "200"}


@pytest.fixture
def farwire(environment: dict[str, str]) -> Farwire:
    """Run a command with --json; return its document, or fail with what it said."""

    def call(*words: str, code: int = 0, plain: bool = False) -> Any:
        done = subprocess.run(
            [sys.executable, "-c", MAIN, "charging", *words, *(() if plain else ("--json",))],
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
    deadline = time.monotonic() + 20
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
    first = shards.start("--log", log, "--metrics", "127.0.0.1:29464")
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
    assert second.wait(20) == 0
    third = shards.start("--log", log)
    assert farwire("account", "show", MSISDN)["balance"] == "5.00 EUR"
    assert third.poll() is None
