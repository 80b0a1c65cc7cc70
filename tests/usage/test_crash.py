"""``kill -9`` in the middle of an import and of a rate run:

the restart ends with the totals of an undisturbed run.
"""

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from usage_world import PLAN, deck, operator, subscribers

from farwire.kernel.page import PageRequest
from farwire.usage import service

WORKER = Path(__file__).with_name("crash_worker.py")
PROFILE = """
name = "crash"
version = 1
format = "csv"
kind = "voice"
started = "at"
caller = "from"
called = "to"
row_identity = ["id", "at", "role"]
[csv]
columns = ["id", "from", "to", "at", "role"]
[phone]
[roles]
column = "role"
start = ["b"]
stop = ["e"]
[session]
key = ["id"]
measure = "span"
"""
# 10 minutes free a month, so that the order of rating and every counter shows in the charges.
ALLOWANCE = (
    PLAN
    + "\n[[allowance]]\n".replace("allowance", "allowances")
    + ('id = "free"\namount = "10 min"\nprices = ["calls"]\n')
)
CALLS = 300


@pytest.fixture
def calls(tmp_path):
    """A file of calls in two halves, shuffled, with duplicates and rubbish, and the profile that reads it."""
    rng = random.Random(11)
    lines = []
    for number in range(CALLS):
        caller, second = f"4915{number % 7}", number % 60
        minute = f"{number // 60:02d}"
        lines.append(f"c{number},{caller},4930{number},2026-05-01T10:{minute}:{second:02d}Z,b\n")
        lines.append(f"c{number},,,2026-05-01T11:{minute}:{rng.randrange(60):02d}Z,e\n")
    lines += [*lines[:40], "rubbish\n", "c1,491,492,never,b\n"]
    rng.shuffle(lines)
    path, profile = tmp_path / "calls.csv", tmp_path / "crash.toml"
    path.write_text("".join(lines))
    profile.write_text(PROFILE)
    return path, profile


async def prepared(db, tenant_id, clock, folder):
    await operator(db, tenant_id, clock, ALLOWANCE)
    await subscribers(db, tenant_id, clock, folder, [f"msisdn:4915{n}" for n in range(6)])
    await deck(db, tenant_id, clock, folder, "wholesale", "prefix,price,increment\n49,0.01234,7\n")
    await deck(db, tenant_id, clock, folder, "internal", "prefix,price,increment\n10,0.01,1\n")


async def outcome(db, tenant_id):
    """Return what a run has led to: proven totals, and every charge with its start and price."""
    proof = await service.verify_totals(db=db, tenant_id=tenant_id)
    assert proof.ok, proof
    async with db.transaction(tenant_id) as tx:
        found = (await service.usage_records(tx, page=PageRequest(limit=1000))).items
    charges = sorted((u.started_at, u.destination, u.quantity, u.state, u.charge_nano) for u in found)
    return proof.kept, charges


def run_killed(arguments, rng):
    """Run the worker again and again, killing it after a random commit, until it ends by itself; return the kills."""
    kills = 0
    for _ in range(60):
        survive = rng.randrange(7)
        worker = subprocess.Popen(
            [sys.executable, str(WORKER), *arguments, str(survive)], stdout=subprocess.PIPE
        )
        assert worker.stdout is not None
        for _ in range(survive):
            if not worker.stdout.readline():
                break
        else:
            worker.send_signal(signal.SIGKILL)
        worker.stdout.read()
        worker.stdout.close()
        code = worker.wait(timeout=60)
        if code == 0:
            return kills
        assert code == -signal.SIGKILL
        kills += survive > 0
    pytest.fail("the worker never came to its end")


@pytest.mark.crash
@pytest.mark.timeout(600)
async def test_killed_imports_and_rate_runs_end_like_undisturbed_ones(
    db, tenant_id, other_tenant_id, clock, calls, tmp_path, settings, seed
):
    rng = random.Random(seed)
    path, profile = calls
    for tenant in (tenant_id, other_tenant_id):
        await prepared(db, tenant, clock, tmp_path)
    await service.import_usage(
        db=db, tenant_id=tenant_id, clock=clock, path=path, profile=service.load_profile(str(profile))
    )
    await service.rate_usage(db=db, tenant_id=tenant_id, clock=clock)
    expected = await outcome(db, tenant_id)

    kills = 0
    for what in ("import", "rate"):
        arguments = (settings.database_url, str(other_tenant_id), what, str(path), str(profile))
        kills += run_killed(arguments, rng)
    found = await outcome(db, other_tenant_id)
    assert kills >= 2
    assert found == expected, f"seed {seed}"
    assert expected[0].rows_in == 642
    assert expected[0].usages == CALLS
