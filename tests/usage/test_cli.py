"""The commands: what a person types, what a program reads, and how they end."""

import json
import os
import subprocess

import pytest

HEADER = "id,caller,called,started_at,seconds\n"


@pytest.fixture
def farwire(farwire_command, database_env, tmp_path, tenant_id):
    """Run a command; return its exit code, its JSON answer and its errors."""

    def run(*arguments):
        done = subprocess.run(
            [*farwire_command, *map(str, arguments), "--json"],
            env=os.environ | database_env | {"FARWIRE_TENANT": "nordlicht"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        answer = json.loads(done.stdout) if done.stdout.strip() else None
        error = json.loads(done.stderr)["error"] if done.stderr.startswith('{"error"') else done.stderr
        return done.returncode, answer, error

    return run


def test_a_file_goes_in_waits_and_is_listed(farwire, tmp_path):
    path = tmp_path / "calls.csv"
    path.write_text(HEADER + "1,49151,4930,2026-05-01T00:00:00Z,60\n2,49151,4930,2026-05-01T00:00:00Z,-1\n")
    code, answer, _ = farwire("usage", "import", path, "--profile", "generic-csv")
    assert code == 0
    imported = answer["items"][0]
    assert (imported["repeated"], imported["totals"]["rows_in"]) == (False, 2)
    code, answer, _ = farwire("usage", "suspense", "--raw")
    assert (code, answer["total"]) == (0, 1)
    assert answer["items"][0]["raw"].endswith(",-1")
    assert farwire("usage", "suspense")[1]["items"][0].get("raw") is None
    code, answer, _ = farwire("rate")
    assert (code, answer["suspended"]) == (0, {"subscriber_unknown": 1})
    waiting = farwire("usage", "suspense", "--usages")[1]["items"][0]
    assert (waiting["destination"], "subscriber" in waiting) == ("4930", False)
    assert (
        farwire("usage", "suspense", "--usages", "--raw")[1]["items"][0] == {"subscriber": "49151"} | waiting
    )
    code, answer, _ = farwire("usage", "recycle")
    assert (code, answer["rows_tried"], answer["usages_requeued"]) == (0, 1, 1)
    code, answer, _ = farwire("usage", "totals", "--verify", "--import", imported["import_id"])
    assert (code, answer["ok"], answer["kept"]["usages_suspended"]) == (0, True, 1)


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (("usage", "import", "none.csv", "-p", "generic-csv"), 4, "usage.file_missing"),
        (("usage", "import", ".", "-p", "generic-csv"), 3, "usage.file_not_regular"),
        (("usage", "import", "x.csv", "-p", "no-such"), 4, "usage.profile_unknown"),
        (("usage", "suspense", "--import", "seven"), 3, "ids.malformed"),
        (("usage", "profiles", "--check", "none.toml"), 4, "usage.profile_unknown"),
    ],
)
def test_a_mistake_ends_with_its_code_and_says_what_to_do(farwire, arguments, code, error):
    found, _, told = farwire(*arguments)
    assert (found, told["code"]) == (code, error)


def test_a_damaged_file_is_imported_as_far_as_it_goes_and_ends_with_a_difference(farwire, tmp_path):
    import gzip
    import random

    rng = random.Random(3)
    lines = [f"{n},49151,4930,2026-05-01T00:00:00Z,{rng.randrange(10**6)}\n" for n in range(30_000)]
    packed = gzip.compress((HEADER + "".join(lines)).encode())
    path = tmp_path / "calls.csv.gz"
    path.write_bytes(packed[: len(packed) * 3 // 4])
    code, answer, _ = farwire("usage", "import", path, "--profile", "generic-csv")
    assert code == 1
    assert answer["items"][0]["damage"]
    assert answer["items"][0]["totals"]["rows_assembled"] > 10_000
