"""The db commands, as a person or a program calls them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from farwire.base.storage.embedded import EmbeddedServer
from farwire.base.storage.roles import SETUP_SQL
from farwire.cli.db import app

NOT_THERE = {"FARWIRE_DATABASE_URL": "postgresql://farwire_app:s3cret@/farwire?host=/nonexistent"}


def farwire(*arguments: str, env: dict[str, str]) -> Result:
    quiet = {
        name: "" for name in os.environ if name.startswith("FARWIRE_") and not name.startswith("FARWIRE_TEST")
    }
    return CliRunner().invoke(app, list(arguments), env={**quiet, "COLUMNS": "200", **env})


def document(result: Result) -> dict[str, object]:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_help_teaches_with_examples() -> None:
    shown = farwire("--help", env={}).output
    for word in ("farwire db backup", "FARWIRE_DATABASE_URL", "embedded"):
        assert word in shown
    for command in ("start", "stop", "status", "migrate", "backup", "restore", "url"):
        assert "--json" in farwire(command, "--help", env={}).output


def test_an_embedded_database_lives_from_start_to_stop(place: Path) -> None:
    env = {"FARWIRE_DATA_DIR": str(place)}
    before = farwire("status", "--json", env=env)
    assert before.exit_code == 8
    assert json.loads(before.stdout)["running"] is False
    assert json.loads(before.stderr)["error"]["code"] == "storage.unavailable"
    assert document(farwire("start", "--json", env=env))["started"] is True
    assert document(farwire("start", "--json", env=env))["started"] is False
    status = document(farwire("status", "--json", env=env))
    assert (status["kind"], status["running"], status["answers"]) == ("embedded", True, True)
    assert (status["migrations_pending"], status["migrations_ahead"]) == ([], [])
    assert document(farwire("migrate", "--json", env=env)) == {"items": [], "total": 0}
    dump = place / "b.dump"
    assert document(farwire("backup", str(dump), "--json", env=env))["file"] == str(dump)
    proof = document(farwire("restore", str(dump), "--json", env=env))
    assert all(line["ok"] for line in proof["items"])
    assert farwire("url", env=env).stdout.startswith("postgresql://farwire_app@/farwire?host=")
    assert document(farwire("stop", "--json", env=env))["stopped"] is True
    assert document(farwire("stop", "--json", env=env))["stopped"] is False
    assert not EmbeddedServer(place).running()


def test_migrating_a_fresh_embedded_database_leaves_nothing_pending(place: Path) -> None:
    env = {"FARWIRE_DATA_DIR": str(place)}
    assert farwire("migrate", env=env).exit_code == 0
    assert document(farwire("status", "--json", env=env))["migrations_pending"] == []


def test_an_external_database_is_shown_without_its_password_and_not_started() -> None:
    status = farwire("status", env=NOT_THERE)
    assert status.exit_code == 8
    assert "s3cret" not in status.output
    refused = farwire("start", "--json", env=NOT_THERE)
    assert refused.exit_code == 3
    assert json.loads(refused.stderr)["error"]["code"] == "storage.not_embedded"
    assert "s3cret" not in refused.output


def test_an_external_database_needs_a_second_url_to_migrate() -> None:
    result = farwire("migrate", "--json", env=NOT_THERE)
    assert result.exit_code == 3
    assert "FARWIRE_DATABASE_OWNER_URL" in json.loads(result.stderr)["error"]["fix"]


def test_a_url_for_another_role_of_an_external_database_must_be_set() -> None:
    assert farwire("url", env=NOT_THERE).stdout.strip() == NOT_THERE["FARWIRE_DATABASE_URL"]
    assert farwire("url", "--role", "farwire_owner", env=NOT_THERE).exit_code == 3


def test_a_difference_after_a_restore_ends_with_one(database_env: dict[str, str], tmp_path: Path) -> None:
    dump = tmp_path / "b.dump"
    assert farwire("backup", str(dump), env=database_env).exit_code == 0
    manifest = tmp_path / "b.dump.manifest.json"
    changed = json.loads(manifest.read_text())
    changed["tables"]["base.untenanted"]["rows"] += 1
    manifest.write_text(json.dumps(changed))
    result = farwire("restore", str(dump), "--json", env=database_env)
    assert result.exit_code == 1
    assert [line["check"] for line in json.loads(result.stdout)["items"] if not line["ok"]] == [
        "rows of base.untenanted"
    ]


@pytest.mark.parametrize("arguments", [["backup"], ["restore"], ["url", "--role", "root"]])
def test_wrong_usage_ends_with_two(arguments: list[str]) -> None:
    assert farwire(*arguments, env={}).exit_code == 2


def test_the_storage_starts_without_heavy_libraries() -> None:
    heavy = ("numba", "polars", "pyarrow", "numpy")
    script = f"import sys, farwire.base.storage; print(*[m for m in {heavy} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == ""


def test_the_page_on_operating_tells_an_administrator_what_the_error_message_tells() -> None:
    assert SETUP_SQL in (Path(__file__).parents[3] / "docs" / "operations.md").read_text()
