"""TMF720 over HTTP: identities without their secrets."""

from __future__ import annotations

import httpx
import pytest

PATH = "/tmf-api/digitalIdentityManagement"


@pytest.mark.parametrize("version", ["v4", "v5"])
@pytest.mark.parametrize("name", ["password", "tokenCredential"])
async def test_a_secret_is_refused_by_its_place_and_nothing_is_kept(
    client: httpx.AsyncClient, version: str, name: str
) -> None:
    known = {"@type": "LoginPasswordCredential", "login": "anna"}
    body = {"@type": "DigitalIdentity", "credential": [known, known | {name: "secret-value"}]}
    refused = await client.post(f"{PATH}/{version}/digitalIdentity", json=body)
    assert (refused.status_code, refused.json()["code"]) == (400, "party.secret")
    assert refused.json()["field"] == f"$.credential[1].{name}"
    assert "secret-value" not in refused.text
    assert (await client.get(f"{PATH}/{version}/digitalIdentity")).json() == []


async def test_whose_an_identity_is_and_its_state_are_kept(client: httpx.AsyncClient) -> None:
    body = {"@type": "DigitalIdentity", "credential": [{"@type": "LoginPasswordCredential", "login": "anna"}]}
    made = await client.post(f"{PATH}/v5/digitalIdentity", json=body)
    assert (made.status_code, made.json()["status"]) == (201, "unknown")
    key = made.json()["id"]
    secret = [{"op": "add", "path": "/credential/0/password", "value": "x"}]
    kind = {"content-type": "application/json-patch+json"}
    changed = await client.patch(f"{PATH}/v5/digitalIdentity/{key}", json=secret, headers=kind)
    assert (changed.status_code, changed.json()["code"]) == (400, "party.secret")
    active = await client.patch(f"{PATH}/v4/digitalIdentity/{key}", json={"status": "active"})
    assert (active.status_code, active.json()["credential"][0]["login"]) == (200, "anna")
