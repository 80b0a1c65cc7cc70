"""``farwire charging shards`` and ``move`` say where subscribers are, and refuse what cannot be moved."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

from farwire.base.storage import Database
from farwire.charging.log.lease import take_lease
from farwire.charging.shard.placement import place


async def test_a_plan_is_shown_before_anything_moves(
    db: Database, database_env: dict[str, str], farwire_command: tuple[str, ...]
) -> None:
    def call(*words: str, code: int = 0) -> Any:
        done = subprocess.run(
            [*farwire_command, "charging", *words, "--json"],
            env={**os.environ, **database_env}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stderr + done.stdout
        return json.loads(done.stdout or done.stderr)

    assert call("shards")["items"] == []
    assert call("move", "--spread", code=8)["error"]["code"] == "charging.shard_not_live"
    await place(db=db, shards=[0])
    for shard in (0, 1):
        await take_lease(db=db, shard=shard, holder=f"p{shard}", seconds=60)
    assert [(one["shard"], one["virtual_shards"], one["live"]) for one in call("shards")["items"]] == [
        (0, 4_096, True),
        (1, 0, True),
    ]
    planned = {"from": 0, "to": 1, "virtual_shards": 2_048}
    assert call("move", "--spread", "--dry-run")["items"] == [planned]
    assert call("move", "--spread", "--empty", "1", "--dry-run")["items"] == []
    assert call("move", "17", "100-199", "17", "--to", "1", "--dry-run")["items"] == [
        planned | {"virtual_shards": 101}
    ]
    assert call("move", "17", "--to", "0") == {"moved": 0, "there_already": 0, "failed": []}
    for words in (("17",), ("17", "--to", "1", "--empty", "0")):
        assert call("move", *words, code=3)["error"]["code"] == "charging.move"
    for wrong in ("1-", "4095-4096"):
        assert call("move", wrong, "--to", "1", code=3)["error"]["code"] == "charging.vshard"
    assert call("move", "1", "--to", "1", "--at", "here", code=3)["error"]["code"] == "charging.address"
