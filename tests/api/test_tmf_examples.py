"""Every official example of a whole thing, sent to the served API as a new one, comes back as it was sent.

The documents of v5 have such examples, for requests and for answers; those of v4 have none. What comes back of v5 is
sent to v4 again, as v4 shows it. Where a thing of ours cannot be without another one (an order without an account),
``FITTED`` puts ids of things that are there in place of the example's. ``tmf_examples.toml`` says which examples are
refused and which attributes the server sets, each with the reason; a line that no longer holds fails.
"""

from __future__ import annotations

import json
import sys
import tomllib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, Final, TypeAlias

import httpx
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from farwire.app import api_routes
from farwire.base.canonical import from_text, instant_text, to_text
from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.base.tmf import Api, Descriptor, Operation, Version
from farwire.base.tmf import resource as bindings
from farwire.base.tmf.operations import References, set_references
from farwire.kernel.ids import TenantId
from farwire.kernel.tenancy import Actor, ActorKind
from farwire.kernel.time import instant

REASONS: Final = tomllib.loads(Path(__file__).with_name("tmf_examples.toml").read_text(encoding="utf-8"))
PRICES: Final = "/tmf-api/productCatalogManagement/v5/productOfferingPrice"
PARTY: Final = "/tmf-api/partyManagement/v5"
JSON: Final = {"content-type": "application/json"}

CATALOGUE: Final[dict[str, Any]] = {
    "valid_from": "2020-01-01T00:00:00Z",
    "product_specifications": [
        {
            "code": "mobile",
            "name": "Mobile",
            "characteristics": [{"name": "TEL_MSISDN"}, {"name": "CoverageOptions"}],
        }
    ],
    "offerings": [{"code": "tmf", "name": "TMF", "product_specification": "mobile"}],
}
PLAN: Final[dict[str, Any]] = {
    "offering": "tmf",
    "name": "TMF",
    "valid_from": "2026-05-01T00:00:00Z",
    "currency": "EUR",
    "zone": "Europe/Berlin",
    "prices_include_tax": False,
    "recurring": [{"id": "monthly", "price": 20}],
}
"""What the orders of the examples order."""


def _official() -> ModuleType:
    path = Path(__file__).parents[1] / "base" / "tmf" / "official.py"
    spec = spec_from_file_location("official_of_examples", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


official = _official()


@dataclass
class Stage:
    """What things of ours need, made as far as an example asks for it."""

    client: httpx.AsyncClient
    world: Any
    count: int = 0
    account: Any = None
    offering: str = ""

    async def party(self) -> str:
        self.count += 1
        body = {"@type": "Organization", "name": f"Happy Travellers {self.count}"}
        answer = await self.client.post(f"{PARTY}/organization", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def prepare(self) -> None:
        """Make an account and an offering, while there is no other."""
        self.account = await self.world.account()
        for document in (CATALOGUE, PLAN):
            sent = {"document": document, "name": "examples"}
            answer = await self.client.post("/farwire/v1/catalogueDocuments", json=sent)
            assert answer.status_code == 201, answer.text
        (offering,) = (await self.client.get("/tmf-api/productCatalogManagement/v5/productOffering")).json()
        self.offering = offering["id"]


Fit: TypeAlias = Callable[[Stage, dict[str, Any]], Awaitable[None]]


async def _customer(stage: Stage, body: dict[str, Any]) -> None:
    body["engagedParty"]["id"] = await stage.party()
    body["engagedParty"].pop("name", None)


async def _account(stage: Stage, body: dict[str, Any]) -> None:
    stage.count += 1
    body["name"] = f"{body['name']} {stage.count}"  # an account's name is its number
    for one in body.get("relatedParty", []):
        one["partyOrPartyRole"]["id"] = await stage.party()


async def _order(stage: Stage, body: dict[str, Any]) -> None:
    account = stage.account
    body["billingAccount"] = {"@type": "BillingAccountRef", "id": str(account.id)}
    for name in ("requestedStartDate", "requestedCompletionDate"):
        if name in body:
            body[name] = "2026-06-12T08:13:59.506Z"  # the example's is long ago
    for item in body.get("productOrderItem", []):
        if "billingAccount" in item:
            item["billingAccount"]["id"] = str(account.id)
        if "productOffering" in item:
            item["productOffering"]["id"] = stage.offering
    for one in body.get("relatedParty", []):
        if one.get("role") == "Customer":
            one["partyOrPartyRole"]["id"] = str(account.party_id)


async def _offering(stage: Stage, body: dict[str, Any]) -> None:
    stage.count += 1
    body["code"] = f"example-{stage.count}"  # an offering's code is its own
    body["productSpecification"]["id"] = "mobile"  # what is on sale has a published specification, and prices
    for one in body.get("productOfferingPrice", []):
        price = {"name": one["name"], "priceType": "recurring", "recurringChargePeriodType": "month"}
        price |= {"recurringChargePeriodLength": 1, "price": {"unit": "EUR", "value": 20}}
        answer = await stage.client.post(PRICES, json={"@type": "ProductOfferingPrice", **price})
        assert answer.status_code == 201, answer.text
        one["id"] = answer.json()["id"]


async def _cancellation(stage: Stage, body: dict[str, Any]) -> None:
    item = {"@type": "ProductOrderItem", "id": "1", "action": "add", "productOffering": {"id": ""}}
    order: dict[str, Any] = {"@type": "ProductOrder", "productOrderItem": [item]}
    await _order(stage, order)
    path = "/tmf-api/productOrderingManagement/v5/productOrder"
    answer = await stage.client.post(path, json=order | {"requestedInitialState": "held"})
    assert answer.status_code == 201, answer.text
    if "productOrder" in body:
        body["productOrder"]["id"] = answer.json()["id"]


async def _bill(stage: Stage, body: dict[str, Any]) -> None:
    if "billingAccount" in body:
        body["billingAccount"]["id"] = str(stage.account.id)


FITTED: Final[dict[tuple[str, str], Fit]] = {
    ("620", "ProductOffering"): _offering,
    ("629", "Customer"): _customer,
    ("666", "BillingAccount"): _account,
    ("622", "ProductOrder"): _order,
    ("622", "CancelProductOrder"): _cancellation,
    ("678", "CustomerBillOnDemand"): _bill,
}


def lost(given: Any, kept: Any, path: str = "") -> Iterator[str]:
    """Yield where something that was given is not there again; lists may have more, and times another form."""
    if isinstance(given, dict) and isinstance(kept, dict):
        for name, value in given.items():
            if value is not None:
                yield from lost(value, kept.get(name), f"{path}.{name}" if path else name)
    elif isinstance(given, list) and isinstance(kept, list):
        for item in given:
            if not any(not list(lost(item, one)) for one in kept):
                yield path
    elif given != kept and (not isinstance(given, str) or instant_text(given) != kept):
        yield path


def relaxed(node: Any) -> Any:
    """Return a schema of a document in which one of several forms is enough: many of its examples fit two of them."""
    if isinstance(node, dict):
        found = {
            name: relaxed(value) for name, value in node.items() if name not in ("discriminator", "example")
        }
        return {("anyOf" if name == "oneOf" else name): value for name, value in found.items()}
    return [relaxed(one) for one in node] if isinstance(node, list) else node


@cache
def validator(document: str) -> Draft202012Validator:
    """Return what checks things against the schemas of a document, by their type."""
    schemas = relaxed(json.loads(document))
    kinds = {name: {"$ref": f"#/components/schemas/{name}"} for name in schemas}
    return Draft202012Validator({"components": {"schemas": schemas}, "properties": kinds})


@dataclass
class Sender:
    """Sends examples and writes down what came of each."""

    stage: Stage
    counts: Counter[str] = field(default_factory=Counter)
    used: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    schemas: dict[str, str] = field(default_factory=dict)
    """Of the document of each API, as text."""

    async def send(self, api: Api, one: Descriptor, version: Version, kind: str, name: str, body: Any) -> Any:
        """Send one; return what came back, or None."""
        given = {key: value for key, value in body.items() if key not in ("id", "href") and value is not None}
        path = f"{api.base(version)}/{one.path_in(version)}"
        answer = await self.stage.client.post(path, content=to_text(given), headers=JSON)
        label = f"{kind} {api.number} {one.type} {name}"
        if answer.status_code != 201:
            why = answer.json()
            self._explain("refused", label, f"{why['code']} {why.get('field')} {why.get('message')}")
            self.counts[f"{kind} refused"] += 1
            return None
        self.counts[f"{kind} accepted"] += 1
        made = from_text(answer.text)
        if version is Version.V5:
            self._validate(api, one, label, answer.text)
        for place in lost(given, made):
            top = next(
                (each for each in one.of(version) if each.name_in(version) == place.split(".")[0]), None
            )
            if top is None or top.writable:  # what the table says the server sets needs no other reason
                self._explain("filled", f"{kind} {api.number} {one.type} {place}", name)
        again = await self.stage.client.get(f"{path}/{made['id']}")
        if from_text(again.text) != made:
            self.wrong.append(f"{label}: read again it is not what was answered")
        return made

    def _validate(self, api: Api, one: Descriptor, label: str, text: str) -> None:
        """Check an answer against the schema of its document."""
        assert one.type in json.loads(self.schemas[api.number]), one.type
        errors = list(validator(self.schemas[api.number]).iter_errors({one.type: json.loads(text)}))
        self.counts[f"{'in' if errors else ''}valid by the document of v5"] += 1
        if errors:
            deep = best_match(errors)
            self._explain("invalid", label, f"{deep.json_path} {deep.message[:200]}")

    def _explain(self, table: str, label: str, more: str) -> None:
        line = next((line for line in REASONS[table] if fnmatchcase(label, line)), None)
        if line is None:
            self.wrong.append(f"[{table}] {label}: {more}")
        else:
            self.used.add(f"{table} {line}")


def wholes(document: dict[str, Any], one: Descriptor) -> Iterator[tuple[str, str, Any]]:
    """Yield (request or answer, name, body) of each example of a whole thing."""
    for method, path, _, name, body in official.examples(document):
        if (method, path) == ("post", f"/{one.path}"):
            yield "request", name, body
    for name, body in official.answers(document, one.path):
        yield "answer", name, body


async def test_every_official_example_of_a_whole_thing_comes_back_as_it_was_sent(
    shared_data: Path,
    client: httpx.AsyncClient,
    world: Any,
    db: Database,
    tenant_id: TenantId,
    clock: MovableClock,
) -> None:
    clock.set(instant("2026-06-11T14:03+02:00"))
    api_routes()
    actor = Actor(ActorKind.OPERATOR, "x")
    async with db.transaction(tenant_id) as tx:
        for number in {api.number for api, _ in bindings.SERVED.all()}:
            await set_references(tx, api=number, mode=References.LENIENT, actor=actor, clock=clock)
    sender = Sender(Stage(client, world))
    await sender.stage.prepare()
    for api, resource in bindings.SERVED.all():
        one = resource.descriptor
        document = official.load(shared_data / "tmf", api.number, Version.V5)
        if document is None or Version.V5 not in one.versions or Operation.CREATE not in one.operations:
            continue
        sender.schemas[api.number] = json.dumps(official.schemas(document), default=str)
        for kind, name, body in wholes(document, one):
            if kind == "answer" and resource.work is not None:
                continue  # it shows what came of a task's work
            given = from_text(json.dumps(body, default=str))
            fit = FITTED.get((api.number, one.type))
            if fit is not None:
                await fit(sender.stage, given)
            made = await sender.send(api, one, Version.V5, kind, name, given)
            if made is not None and fit is None and Version.V4 in one.versions & set(api.versions):
                shown = await client.get(f"{api.base(Version.V4)}/{one.path_in(Version.V4)}/{made['id']}")
                assert shown.status_code == 200, (name, shown.text)
                await sender.send(api, one, Version.V4, f"{kind} in v4", name, from_text(shown.text))
    for what, count in sorted(sender.counts.items()):
        sys.stdout.write(f"{what}: {count}\n")
    assert not sender.wrong, "\n".join(sender.wrong)
    lines = {f"{table} {line}" for table in ("refused", "filled", "invalid") for line in REASONS[table]}
    assert sender.used == lines, f"no longer so: {sorted(lines - sender.used)}"
    assert sender.counts == REASONS["counts"]


def test_the_documents_of_v4_have_no_example_of_a_whole_thing(shared_data: Path) -> None:
    for api, resource in bindings.SERVED.all():
        document = official.load(shared_data / "tmf", api.number, Version.V4)
        if document is not None:
            assert list(wholes(document, resource.descriptor)) == []


def test_an_answer_that_the_document_does_not_allow_is_noticed(shared_data: Path) -> None:
    document = official.load(shared_data / "tmf", "638", Version.V5)
    check = validator(json.dumps(official.schemas(document), default=str))
    service = {
        "@type": "Service",
        "state": "active",
        "serviceSpecification": {"@type": "X", "id": "1"},
        "id": "1",
    }
    assert check.is_valid({"Service": {**service, "href": "/1"}})
    for wrong in ({"state": 5}, {"@type": None}, {"note": {}}, {"note": [{"text": "no type"}]}):
        assert not check.is_valid({"Service": {**service, "href": "/1", **wrong}}), wrong
