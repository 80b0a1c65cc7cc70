"""Addresses as TMF673: their parts by themselves, and what a client writes compared with what is stored."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

BASE = "/tmf-api/geographicAddressManagement/v4"
PLACES = f"{BASE}/geographicAddress"
HOME = {
    "streetName": "Lange Reihe",
    "streetNr": "12",
    "postcode": "20099",
    "city": "Hamburg",
    "country": "DE",
}


@pytest.fixture
async def house(client: httpx.AsyncClient) -> dict[str, Any]:
    """An address with two flats."""
    flats = [{"name": "left", "subUnitNumber": "1"}, {"id": "right", "name": "right", "levelNumber": "2"}]
    made = await client.post(PLACES, json={**HOME, "geographicSubAddress": flats})
    assert made.status_code == 201, made.text
    return dict(made.json())


async def test_a_part_of_an_address_is_read_by_itself_under_its_address_only(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, house: dict[str, Any]
) -> None:
    other = (await client.post(PLACES, json={**HOME, "streetNr": "14"})).json()["id"]
    path = f"{PLACES}/{house['id']}/geographicSubAddress"
    parts = (await client.get(path)).json()
    assert [one["name"] for one in parts] == ["left", "right"]
    assert [one["id"] for one in parts] == [one["id"] for one in house["geographicSubAddress"]]
    assert parts[1]["href"] == f"{path}/right"
    one = (await client.get(f"{path}/right?fields=levelNumber")).json()
    assert one.items() >= {"id": "right", "levelNumber": "2"}.items()
    found = await client.get(f"{path}?subUnitNumber=1")
    assert [one["name"] for one in found.json()] == ["left"]
    part = await client.get(f"{path}?limit=1&offset=1")
    assert ([one["id"] for one in part.json()], part.headers["x-total-count"]) == (["right"], "2")
    assert (await client.get(f"{PLACES}/{other}/geographicSubAddress")).json() == []
    assert (await client.get(f"{PLACES}/{other}/geographicSubAddress/right")).status_code == 404
    assert (await client.get(f"{PLACES}/nowhere/geographicSubAddress")).status_code == 404
    for url in (path, f"{path}/right"):
        assert (await other_client.get(url)).status_code == 404
        assert (await client.post(url, json={"name": "x"})).status_code == 405


async def test_parts_keep_their_ids_and_no_two_have_the_same(
    client: httpx.AsyncClient, house: dict[str, Any]
) -> None:
    path = f"{PLACES}/{house['id']}"
    flats = [*house["geographicSubAddress"], {"name": "attic"}]
    changed = (await client.patch(path, json={"geographicSubAddress": flats})).json()
    assert [one["id"] for one in changed["geographicSubAddress"]][:2] == [one["id"] for one in flats[:2]]
    assert len((await client.get(f"{path}/geographicSubAddress")).json()) == 3
    twice = await client.patch(path, json={"geographicSubAddress": [{"id": "a"}, {"id": "a"}]})
    assert (twice.status_code, twice.json()["field"]) == (400, "$.geographicSubAddress[1].id")


@pytest.mark.parametrize(
    ("submitted", "alternative", "result", "alternates"),
    [
        (HOME, True, "success", 0),
        ({"streetName": " lange  REIHE", "streetNr": "12", "city": "Hamburg"}, True, "success", 0),
        ({"streetName": "Lange Reihe", "postcode": "20099"}, True, "partial", 2),
        ({**HOME, "streetNr": "99"}, True, "partial", 2),
        ({**HOME, "streetNr": "99"}, False, "partial", 0),
        ({"city": "Atlantis", "streetName": "Nowhere"}, True, "fails", 0),
        ({"name": "the house"}, True, "fails", 0),
    ],
)
async def test_a_submitted_address_is_compared_with_what_is_stored(
    client: httpx.AsyncClient,
    other_client: httpx.AsyncClient,
    house: dict[str, Any],
    submitted: dict[str, str],
    alternative: bool,
    result: str,
    alternates: int,
) -> None:
    await client.post(PLACES, json={**HOME, "streetNr": "14"})
    body = {"submittedGeographicAddress": submitted, "provideAlternative": alternative}
    made = await client.post(f"{BASE}/geographicAddressValidation", json=body)
    assert made.status_code == 201, made.text
    done = (await client.get(f"{BASE}/geographicAddressValidation/{made.json()['id']}")).json()
    assert (done["state"], done["validationResult"]) == ("done", result)
    assert len(done.get("alternateGeographicAddress", [])) == alternates
    valid = done.get("validGeographicAddress", {})
    assert valid.get("id") == (house["id"] if result == "success" else None)
    theirs = await other_client.post(f"{BASE}/geographicAddressValidation", json=body)
    assert theirs.json()["validationResult"] == "fails"


async def test_what_only_the_server_finds_out_is_not_taken_from_a_client(client: httpx.AsyncClient) -> None:
    claim = {"validGeographicAddress": HOME, "validationResult": "success", "provideAlternative": True}
    made = await client.post(
        f"{BASE}/geographicAddressValidation", json={**claim, "submittedGeographicAddress": HOME}
    )
    assert (made.json()["validationResult"], "validGeographicAddress" in made.json()) == ("fails", False)
