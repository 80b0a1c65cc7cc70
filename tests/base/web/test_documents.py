"""What leaves: pages, selection, entity tags, HEAD."""

from __future__ import annotations

import httpx

KNOWN = "01890a5d-ac96-774b-bcce-b302099a8057"


async def test_a_page_says_its_size_and_its_neighbours(client: httpx.AsyncClient) -> None:
    answer = await client.get("/things?offset=2&limit=2&colour=blue")
    assert [thing["id"] for thing in answer.json()] == ["2", "3"]
    assert (answer.headers["x-total-count"], answer.headers["x-result-count"]) == ("5", "2")
    assert answer.links["next"]["url"] == "/things?colour=blue&offset=4&limit=2"
    assert answer.links["prev"]["url"] == "/things?colour=blue&offset=0&limit=2"
    assert answer.links["last"]["url"] == "/things?colour=blue&offset=4&limit=2"


async def test_following_next_visits_each_row_once(client: httpx.AsyncClient) -> None:
    seen: list[str] = []
    url: str | None = "/things?limit=2"
    while url is not None:
        answer = await client.get(url)
        seen += [thing["id"] for thing in answer.json()]
        url = answer.links.get("next", {}).get("url")
    assert seen == ["0", "1", "2", "3", "4"]


async def test_fields_selects_attributes_and_keeps_identity(client: httpx.AsyncClient) -> None:
    answer = await client.get("/things?fields=colour&limit=1")
    assert answer.json() == [{"@type": "Thing", "id": "0", "colour": "red"}]


async def test_a_known_entity_tag_gets_304(client: httpx.AsyncClient) -> None:
    first = await client.get(f"/things/{KNOWN}")
    assert first.headers["cache-control"] == "private, no-cache"
    same = await client.get(f"/things/{KNOWN}", headers={"if-none-match": f'"x", W/{first.headers["etag"]}'})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", first.headers["etag"])
    other = await client.get(f"/things/{KNOWN}?fields=id", headers={"if-none-match": first.headers["etag"]})
    assert other.status_code == 200


async def test_head_answers_as_get_without_the_body(client: httpx.AsyncClient) -> None:
    get = await client.get(f"/things/{KNOWN}")
    head = await client.head(f"/things/{KNOWN}")
    assert (head.status_code, head.content) == (200, b"")
    for name in ("etag", "content-type", "content-length"):
        assert head.headers[name] == get.headers[name]
