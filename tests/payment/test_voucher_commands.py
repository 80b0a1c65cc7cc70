"""``farwire voucher`` for real: what it answers, and how it ends."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .till import Till

Farwire = Callable[..., Any]


@pytest.fixture
def farwire(farwire_command: tuple[str, ...], database_env: dict[str, str]) -> Farwire:
    """Run a command with --json; return its document, or fail with what it said."""

    def call(*words: str, code: int = 0, plain: bool = False) -> Any:
        done = subprocess.run(
            [*farwire_command, "voucher", *words, *(() if plain else ("--json",))],
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


async def test_each_error_has_its_code_and_says_what_to_do(
    till: Till, farwire: Farwire, tmp_path: Path
) -> None:
    await till.company()
    assert farwire("show", "1", code=4)["error"]["code"] == "payment.voucher_unknown"
    assert (
        farwire("activate", "spring", "--method", "cash", code=4)["error"]["fix"]
        == "see: farwire voucher list"
    )
    wanted = ("generate", "spring", "--count", "20", "--value", "10", "--until", "2099-01-01", "--file")
    file = str(tmp_path / "codes.csv")
    assert farwire(*wanted, file, "--length", "9", code=3)["error"]["code"] == "payment.code_length"
    assert farwire(*wanted, file, "--company", "XX", code=4)["error"]["code"] == "ledger.company_unknown"
    made = farwire(*wanted, file, "--as", "printer", "--alphabet", "letters")
    assert (made["state"], made["generated"], made["file"]) == ("printed", 20, file)
    assert farwire(*wanted, file, "--alphabet", "letters")["why"].startswith("its print file was written on")
    assert farwire(*wanted, file, code=5)["error"]["code"] == "payment.batch_key_reused"
    sell = ("activate", "spring", "--method", "cash")
    assert farwire(*sell, "--as", "printer", code=6)["error"]["code"] == "authz.four_eyes"
    assert farwire(*sell, "--as", "b", "--serials", "x", code=3)["error"]["code"] == "payment.serial_range"
    assert (
        farwire(*sell, "--as", "b", "--serials", "20-21", code=3)["error"]["code"] == "payment.serial_range"
    )
    assert farwire(*sell, "--as", "b", "--serials", "7", "--price", "1")["sold"] == 1
    assert farwire("activate", "spring", "--as", "b", code=3)["error"]["code"] == "payment.voucher_buyer"
    code = (tmp_path / "codes.csv").read_text().splitlines()[7].split(",")[1]
    assert (
        farwire("redeem", "nonsense", "--subscriber", "s", code=3)["error"]["code"] == "payment.code_mistyped"
    )
    assert farwire("redeem", code.lower(), "--subscriber", "s")["serial"] == 7
    assert farwire("redeem", code, "--subscriber", "t", code=1)["state"] == "refused"
    assert farwire("list", "--batch", "spring", "--state", "used")["items"][0]["serial"] == 7
    assert farwire("list", "--uncredited")["total"] == 1
    assert farwire("attempts")["items"][0]["outcome"] == "used"
    assert all(one["ok"] for one in farwire("check")["items"])
    assert "Nobody is locked" in farwire("attempts", "--locked", plain=True)
