"""The commands of the gateway: passwords are set and forgotten by the name of the subscriber, and never shown."""

from __future__ import annotations

import os
import subprocess

from farwire.gateway.radius import store
from tests.gateway.radius.world import USER, World


def call(command: tuple[str, ...], environment: dict[str, str], *words: str, said: str = "") -> str:
    done = subprocess.run(
        [*command, "gateway", "radius", *words],
        env={**os.environ, **environment, "FARWIRE_TENANT": "nordlicht", "COLUMNS": "200"},
        input=said, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "s3cret" not in done.stdout + done.stderr
    return f"{done.returncode} {done.stdout}{done.stderr}"


async def test_a_password_is_set_and_forgotten_by_command(
    world: World, farwire_command: tuple[str, ...], database_env: dict[str, str]
) -> None:
    words = ("credential", "set", USER, "--password-file", "-")
    assert call(farwire_command, database_env, *words, said="s3cret\n").startswith("0 ")
    assert (await world.auth.access(USER, "s3cret")).code == 2
    assert "0 It is gone." in call(farwire_command, database_env, "credential", "forget", USER)
    assert "0 491511 has no password." in call(farwire_command, database_env, "credential", "forget", USER)
    async with world.db.transaction(world.tenant_id) as tx:
        assert await store.credential(tx, world.account.number) is None
    assert "radius.password_length" in call(farwire_command, database_env, *words, said="\n")
    assert "charging.account_unknown" in call(farwire_command, database_env, "credential", "forget", "4999")
