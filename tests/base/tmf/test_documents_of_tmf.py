"""The official examples of TMF620 against the engine."""

from __future__ import annotations

import json
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import httpx

from farwire.base.canonical import from_text, instant_text, to_text
from farwire.base.tmf import Api, Version
from farwire.base.tmf.shape import checked
from farwire.base.tmf.store import documents as store
from farwire.base.tmf.versions import changed_by, from_wire, to_wire
from farwire.catalog.api import tmf620_tables as tables

_spec = spec_from_file_location("official", Path(__file__).with_name("official.py"))
assert _spec is not None
assert _spec.loader is not None
official = module_from_spec(_spec)
_spec.loader.exec_module(official)

DESCRIPTORS = {
    ("620", one.type): one
    for one in (tables.CATEGORY, tables.CATALOG, tables.OFFERING, tables.PRICE, tables.SPECIFICATION)
}


def superset(given: Any, kept: Any) -> bool:
    """Return whether all that was given is there again; times may be written otherwise."""
    if isinstance(given, dict):
        return isinstance(kept, dict) and all(
            name in kept and superset(value, kept[name]) for name, value in given.items() if value is not None
        )
    if isinstance(given, list):
        return isinstance(kept, list) and len(given) == len(kept) and all(map(superset, given, kept))
    if isinstance(given, str) and isinstance(kept, str) and given != kept:
        return instant_text(given) == kept
    return bool(given == kept)


def exact(body: Any) -> Any:
    return from_text(to_text(body))


def test_the_official_examples_are_accepted_and_come_back_whole_in_their_version_and_after_a_visit_to_v4(
    shared_data: Path,
) -> None:
    seen, bad = 0, []
    for (api, _), one in DESCRIPTORS.items():
        document = official.load(shared_data / "tmf", api, Version.V5)
        for name, body in official.answers(document, one.path):
            given = {
                key: value for key, value in exact(json.loads(json.dumps(body))).items() if key != "href"
            }
            seen += 1
            stored = checked(one, from_wire(one, given, Version.V5), Version.V5)
            back = to_wire(one, stored, Version.V5)
            old = to_wire(one, stored, Version.V4)
            visited = changed_by(one, stored, old, Version.V4)
            again = from_wire(one, old, Version.V4)
            shared = {
                key for key in stored if key not in one.attributes or len(one.attributes[key].versions) == 2
            }
            if not superset(given, back) or visited != stored:
                bad.append(name)
            if to_wire(one, {key: again[key] for key in shared}, Version.V4) != old:
                bad.append(f"{name} through v4")
    assert (seen >= 10, bad) == (True, []), f"{seen} official examples seen; not lossless: {bad}"


async def test_the_official_examples_of_requests_are_carried_out_over_http(
    shared_data: Path, client: httpx.AsyncClient, db: Any, tenant_id: Any, catalog_api: Api
) -> None:
    async with db.transaction(tenant_id) as tx:
        await store.set_references(tx, "620", "lenient")
    document = official.load(shared_data / "tmf", "620", Version.V5)
    base = catalog_api.base(Version.V5)
    seen: dict[str, int] = {}
    bad: list[tuple[str, str]] = []
    ids: dict[str, str] = {}
    for method, path, media, name, body in sorted(
        official.examples(document), key=lambda row: row[0] != "post"
    ):
        collection = path.split("/")[1]
        if collection in ("importJob", "exportJob"):
            continue
        if method == "post" and body.get("id") in ids.values():
            body.pop("id")  # two examples have one id
        url = base + path.replace("{id}", ids.get(collection, ""))
        answer = await client.request(method, url, content=json.dumps(body), headers={"content-type": media})
        seen[media] = seen.get(media, 0) + 1
        if answer.status_code == 201:
            ids.setdefault(collection, answer.json()["id"])
        if answer.status_code not in (200, 201):
            bad.append((name, answer.text[:300]))
        elif method == "post" and not superset(
            {key: value for key, value in body.items() if key not in ("href", "lastUpdate")}, answer.json()
        ):
            bad.append((name, "not whole"))
    assert (sum(seen.values()) >= 20, bad) == (True, []), f"carried out {seen}, refused {bad}"
