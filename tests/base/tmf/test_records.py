"""Every resource that is kept as a document, of every API that is served: one walk over all tables, in v4 and v5."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import httpx
import pytest

from farwire import app
from farwire.base.canonical import from_text, instant_text, to_text
from farwire.base.storage import Database
from farwire.base.tmf import (
    Api,
    Attribute,
    Descriptor,
    Operation,
    Resource,
    Target,
    Version,
    tmf_routes,
)
from farwire.base.tmf import resource as bindings
from farwire.base.tmf.shape import checked
from farwire.base.tmf.store import documents as store
from farwire.base.tmf.versions import changed_by, from_wire, to_wire
from farwire.base.web.api_documents import api_documents
from farwire.kernel.ids import TenantId

_spec = spec_from_file_location("official", Path(__file__).with_name("official.py"))
assert _spec is not None
assert _spec.loader is not None
official = module_from_spec(_spec)
_spec.loader.exec_module(official)

app.api_routes()
NUMBERS = {number for numbers in app._RECORDS.values() for number in numbers.split()} | {"620"}
APIS: dict[str, Api] = {api.number: api for api, _ in bindings.SERVED.all() if api.number in NUMBERS}
CONTRADICTIONS = {
    ("621", "TroubleTicket_list_with_filter_and_fields_example"): "an answer to fields=, not a whole ticket",
    ("679", "RetrieveCPOQByList"): "writes an attribute with a capital that its schema writes without",
    ("679", "retrieveCPOQById2"): "writes an attribute with a capital that its schema writes without",
    ("683", "PartyInteraction_list_example"): "lacks the direction that its schema requires",
}
"""Examples that are not what their own document says, and why we do not take them."""
PLAIN_VALUES: dict[str, Any] = {
    "string": "text",
    "integer": 1,
    "number": 1.5,
    "boolean": True,
    "dateTime": "2026-06-01T12:00:00.000Z",
    "date": "2026-06-01",
    "object": {"a": 1},
    "any": "anything",
}


def records(api: Api) -> Iterator[tuple[Resource, Version]]:
    for version in api.versions:
        for resource in api.resources:
            if resource.behaviour is None and version in resource.descriptor.versions:
                yield resource, version


def value(one: Attribute) -> Any:
    single = PLAIN_VALUES.get(one.type, {"id": "other-1", "name": "other"})
    return [single] if one.many else single


def smallest(descriptor: Descriptor, version: Version) -> dict[str, Any]:
    """The mandatory attributes and nothing else."""
    body = {one.name_in(version): value(one) for one in descriptor.of(version) if version in one.required}
    if version is Version.V5:
        body["@type"] = descriptor.type
    if descriptor.lifecycle is not None and descriptor.lifecycle.attribute in body:
        body[descriptor.lifecycle.attribute] = descriptor.lifecycle.initial
    return body


class Walk:
    """One resource in one version, over HTTP."""

    def __init__(self, client: httpx.AsyncClient, api: Api, resource: Resource, version: Version) -> None:
        self.client = client
        self.descriptor = resource.descriptor
        # The state of a task is the server's to give; that of a thing that something goes with is not.
        self.works = resource.work is not None and resource.removed is None
        self.version = version
        self.target = Target(api.number, resource.descriptor.type)
        self.path = f"{api.base(version)}/{resource.descriptor.collection(version, 'kept')}"

    def offers(self, operation: Operation) -> bool:
        return operation in self.descriptor.operations

    async def ask(self, method: str, status: int, key: str = "", body: Any = None) -> Any:
        answer = await self.client.request(method, self.path + key, json=body)
        assert answer.status_code == status, (method, self.path + key, body, answer.text)
        return answer.json() if answer.content else None

    async def make(self, **more: Any) -> dict[str, Any]:
        made: dict[str, Any] = await self.ask(
            "POST", 201, body=smallest(self.descriptor, self.version) | more
        )
        return made

    async def create(self) -> dict[str, Any]:
        """It is made of what is mandatory, and the answer has it, with the first state and a place."""
        given, made = smallest(self.descriptor, self.version), await self.make()
        filled = {one.name_in(self.version) for one in self.descriptor.attributes.values() if one.fill}
        kept = {name for name in given if name not in filled}
        assert superset({name: given[name] for name in kept}, made), (self.path, given, made)
        assert set(self.descriptor.required(self.version)) <= made.keys()
        assert made["href"] == f"{self.path}/{made['id']}"
        states = self.descriptor.lifecycle
        if states is not None and self.shows(states.attribute):
            given_by = states.states if self.works else (states.initial,)
            assert made[states.attribute] in given_by
        for name in given.keys() - filled - {"@type"} - ({states.attribute} if states else set()):
            without = {key: one for key, one in given.items() if key != name}
            refusal = await self.ask("POST", 400, body=without)
            assert refusal["field"] == f"$.{name}"
        return made

    def shows(self, name: str) -> bool:
        return self.version in self.descriptor.attributes[name].versions

    async def find(self, made: dict[str, Any]) -> None:
        assert await self.ask("GET", 200, f"/{made['id']}") == made
        assert await self.ask("GET", 200, f"?id={made['id']}") == [made]
        states = self.descriptor.lifecycle
        if states is not None and self.shows(states.attribute):
            state = states.attribute
            assert made in await self.ask("GET", 200, f"?{state}={made[state]}&limit=1000")
            assert await self.ask("GET", 200, f"?{state}.ne={made[state]}&id={made['id']}") == []

    async def patch(self, made: dict[str, Any]) -> None:
        states = self.descriptor.lifecycle
        for one in self.descriptor.own:
            state = states is not None and one.name == states.attribute
            plain = one.type == "string" and not one.many and self.version in one.versions
            if plain and one.patchable and not state:
                name = one.name_in(self.version)
                after = await self.ask("PATCH", 200, f"/{made['id']}", {name: "other text"})
                assert after[name] == "other text"
                assert after.keys() >= made.keys()
                assert await self.ask("GET", 200, f"?{name}=other%20text&id={made['id']}") == [after]
                return

    async def change_states(self) -> None:
        """Each state is followed by those of the table and by no other, and an unknown one is nowhere."""
        states = self.descriptor.lifecycle
        if states is None or not self.shows(states.attribute):
            return
        name = states.attribute
        refusal = await self.ask(
            "POST", 422, body=smallest(self.descriptor, self.version) | {name: "nonsense"}
        )
        assert (refusal["code"], refusal["field"]) == ("tmf.state_unknown", f"$.{name}")
        if self.works or not self.offers(Operation.PATCH):
            return
        for state, following in states.next.items():
            made = await self.make(**{name: state})
            for other in states.states:
                if other not in (*following, state):
                    refusal = await self.ask("PATCH", 422, f"/{made['id']}", {name: other})
                    assert refusal["code"] == "tmf.transition"
                    assert all(one in refusal["fix"] for one in following)
                    break
            assert (await self.ask("PATCH", 200, f"/{made['id']}", {name: state}))[name] == state
            if following:
                changed = await self.ask("PATCH", 200, f"/{made['id']}", {name: following[-1]})
                assert changed[name] == following[-1]

    async def delete(self, made: dict[str, Any]) -> None:
        if self.offers(Operation.DELETE):
            await self.ask("DELETE", 204, f"/{made['id']}")
            await self.ask("GET", 404, f"/{made['id']}")


def superset(given: Any, kept: Any) -> bool:
    """Return whether all that was given is there again; times may be written otherwise."""
    if isinstance(given, dict):
        return isinstance(kept, dict) and all(
            name in kept and superset(item, kept[name]) for name, item in given.items() if item is not None
        )
    if isinstance(given, list):
        return isinstance(kept, list) and len(given) == len(kept) and all(map(superset, given, kept))
    if isinstance(given, str) and isinstance(kept, str) and given != kept:
        return instant_text(given) == kept
    return bool(given == kept)


@pytest.fixture
def client_of_api(web: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[Api], httpx.AsyncClient]:
    """Return a function that gives a client of one API alone."""
    monkeypatch.setattr(bindings.SERVED, "_by_target", {})

    def client(api: Api) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(app=web(api)),
            base_url="http://farwire",
            headers={"authorization": "Bearer fw_own"},
        )

    return client


@pytest.mark.parametrize("number", sorted(APIS))
async def test_a_record_is_made_found_changed_kept_to_its_states_and_removed_in_both_versions(
    client_of_api: Any, db: Database, tenant_id: TenantId, number: str
) -> None:
    api = APIS[number]
    async with db.transaction(tenant_id) as tx:
        await store.set_references(tx, number, "lenient")
    async with client_of_api(api) as client:
        for resource, version in records(api):
            walk = Walk(client, api, resource, version)
            if resource.descriptor.inside is not None:
                await _kept(db, tenant_id, Target(number, resource.descriptor.inside.type))
            if walk.offers(Operation.CREATE):
                made = await walk.create()
                if not walk.offers(Operation.GET):
                    continue
                await walk.find(made)
                await walk.change_states()
                if walk.offers(Operation.PATCH):
                    await walk.patch(made)
                await walk.delete(made)
            else:  # filled by a context, not by clients
                await _kept(db, tenant_id, walk.target)
                assert (await client.post(walk.path, json={})).status_code == 405
                assert (await walk.ask("GET", 200, "/kept"))["id"] == "kept"
                assert len(await walk.ask("GET", 200, "?id=kept")) == 1
            for operation, method in ((Operation.PATCH, "PATCH"), (Operation.DELETE, "DELETE")):
                if not walk.offers(operation):
                    assert (await client.request(method, f"{walk.path}/x", json={})).status_code == 405


async def _kept(db: Database, tenant_id: TenantId, target: Target) -> None:
    async with db.transaction(tenant_id) as tx:
        now = await tx.fetchval("SELECT now()")
        await store.insert(tx, target, {"id": "kept", "@type": target.type}, now)


async def test_a_record_that_refers_to_nothing_is_refused_with_the_place_of_the_reference(
    client_of_api: Any, db: Database, tenant_id: TenantId
) -> None:
    """Once for every reference of every table to a resource of its own API."""
    tried = 0
    for api in APIS.values():
        own = {resource.descriptor.type: resource.descriptor for resource in api.resources}
        async with client_of_api(api) as client:
            for resource, version in records(api):
                for one in resource.descriptor.of(version):
                    inside = one.refers is not None and one.refers.api == api.number
                    if not inside or Operation.CREATE not in resource.descriptor.operations:
                        continue
                    assert one.refers is not None
                    assert version in own[one.refers.type].versions
                    walk, name = Walk(client, api, resource, version), one.name_in(version)
                    if resource.descriptor.inside is not None:
                        await _kept(db, tenant_id, Target(api.number, resource.descriptor.inside.type))
                    refusal = await walk.ask(
                        "POST", 422, body=smallest(resource.descriptor, version) | {name: value(one)}
                    )
                    assert refusal["code"] == "tmf.reference_unknown", (walk.path, refusal)
                    tried += 1
    assert tried >= 30


EXAMPLES = {"620": 32, "621": 13, "634": 34, "649": 12, "656": 27, "663": 8, "669": 14, "677": 10, "679": 17}
EXAMPLES |= {"683": 3, "735": 4}
"""Official examples of whole records that the documents of v5 have."""


@pytest.mark.parametrize("number", EXAMPLES)
def test_the_official_examples_come_back_whole_in_their_version_and_after_a_visit_to_v4(
    shared_data: Path, number: str
) -> None:
    document = official.load(shared_data / "tmf", number, Version.V5)
    seen, bad = 0, []
    for resource, version in records(APIS[number]):
        if version is Version.V5:
            for name, body in _whole(document, resource.descriptor.path):
                if (number, name) not in CONTRADICTIONS:
                    seen += 1
                    given = {key: one for key, one in exact(body).items() if key != "href"}
                    bad += [(name, why) for why in losses(resource.descriptor, given)]
    assert (seen, bad) == (EXAMPLES[number], [])


def _whole(document: dict[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    """Yield the examples of answers and of requests that show a whole resource."""
    yield from official.answers(document, path)
    for method, place, _, name, body in official.examples(document):
        if (method, place) == ("post", f"/{path}"):
            yield name, body


def exact(body: Any) -> Any:
    return from_text(to_text(json.loads(json.dumps(body))))


def losses(descriptor: Descriptor, given: dict[str, Any]) -> Iterator[str]:
    """Yield what goes wrong with a document of v5 on its way in, out, and through v4."""
    try:
        stored = checked(descriptor, from_wire(descriptor, given, Version.V5), Version.V5)
    except Exception as error:  # noqa: BLE001 - shown with the example's name
        yield f"refused: {error}"
        return
    if not superset(given, to_wire(descriptor, stored, Version.V5)):
        yield "not whole"
    if Version.V4 not in descriptor.versions:
        return
    old = to_wire(descriptor, stored, Version.V4)
    if changed_by(descriptor, stored, old, Version.V4) != stored:
        yield "not whole after v4"


@pytest.mark.parametrize("number", sorted(APIS))
async def test_the_examples_of_our_own_document_are_carried_out(
    client_of_api: Any, db: Database, tenant_id: TenantId, number: str
) -> None:
    """What the document shows as the body of a request is one that is taken as it stands."""
    api = APIS[number]
    async with db.transaction(tenant_id) as tx:
        await store.set_references(tx, number, "lenient")
    documents = api_documents(tmf_routes(api))
    async with client_of_api(api) as client:
        for resource, version in records(api):
            walk = Walk(client, api, resource, version)
            if walk.offers(Operation.CREATE):
                outer = resource.descriptor.inside
                if outer is not None:
                    await _kept(db, tenant_id, Target(number, outer.type))
                paths = documents[api.base(version)]()["paths"]
                path = f"{api.base(version)}/{resource.descriptor.collection(version, '{id}')}"
                body = paths[path]["post"]["requestBody"]["content"]["application/json"]["example"]
                await walk.ask("POST", 201, body=body)
