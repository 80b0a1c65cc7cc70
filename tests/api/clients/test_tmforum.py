"""PyPI `tmforum`, a client that somebody else wrote, creates, reads, queries, patches and deletes what we serve."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import pytest
import tmforum

from farwire.app import api_routes
from farwire.base.tmf import Operation, Resource, Target, Version
from farwire.base.tmf.resource import SERVED

from .conftest import Operator

pytestmark = pytest.mark.xdist_group("tmforum")
NO_CONTEXT: Final = tmforum.Context(api_base_url="", logger=logging.getLogger("farwire.tests"))


def known() -> Iterator[tuple[str, type[Any]]]:
    """Every class of the client that has a path, with the path."""
    for cls in vars(tmforum).values():
        if inspect.isclass(cls) and hasattr(cls, "get_resource_path"):
            yield cls.get_resource_path(NO_CONTEXT), cls


def bindings() -> dict[str, Resource]:
    """What is served, by every path of its collection."""
    api_routes()
    return {
        f"{base}/{resource.descriptor.path_in(version)}": resource
        for api, resource in SERVED.all()
        for version in api.versions
        if version in resource.descriptor.versions
        for base in api.bases(version)
    }


BINDINGS: Final = bindings()
SERVED_KINDS: Final = {cls.__name__: path for path, cls in known() if path in BINDINGS}
REASONS: Final = {
    "no-api": "of no API that Farwire serves",
    "no-v5": "of v5 of an API of which there is a document of v4 only, where nothing has this name",
    "unknown": "the documents have no such resource",
}
EXCLUDED: Final = {
    name: REASONS[reason]
    for reason, *names in map(
        str.split,
        """
        no-v5   CapacitySpecification Process ProcessSpecification ResourcePoolSpecification
        no-v5   Task TaskSpecification
        unknown PaymentPlan SalesOpportunity ServiceOrderSpecification
        no-api  ApiProductSpecification CheckProductConfiguration Customer360 EvaluateFraudRisk
        no-api  Intent IntentSpecification ManagedPolicy ManagedPolicyVariable
        no-api  OpenGatewayProductOffering OpenGatewayProductSpecification PolicyCatalog PolicyDomain
        no-api  ProbeIntent ProductUsageSpecification QueryProductConfiguration ResourceUsage
        no-api  ResourceUsageSpecification UsageVolumeProductSpecification
        """.strip().splitlines(),
    )
    for name in names
}


def specification(_: Operator) -> Any:
    """A specification with what a catalogue's users look at: characteristics, relations, a document."""
    value = {"@type": "IntegerCharacteristicValueSpecification", "value": 50, "isDefault": True}
    return tmforum.ProductSpecification.from_dict(
        {
            "@type": "ProductSpecification",
            "name": "Line",
            "brand": "Nord",
            "productSpecCharacteristic": [
                {
                    "@type": "CharacteristicSpecification",
                    "id": "speed",
                    "name": "Speed",
                    "valueType": "integer",
                    "characteristicValueSpecification": [value],
                }
            ],
            "validFor": {"@type": "TimePeriod", "startDateTime": "2026-05-01T00:00:00.000Z"},
        },
        strict=True,
    )


MADE: Final[Mapping[str, Callable[[Operator], Any]]] = {
    "ProductSpecification": specification,
    "Individual": lambda _: tmforum.Individual(givenName="Anna", familyName="Berg"),
    "Organization": lambda _: tmforum.Organization(name="Berg KG", tradingName="Berg"),
}
"""How to make one of a type. What is not here is made of what its table of facts says is required."""
CHANGED: Final = {"Individual": "familyName", "Organization": "tradingName"}
"""What is patched, where it is not the first text that the resource and the client's class have."""
NOT_SENT: Final = {"BillingAccount": ("generateEmptyBill",)}
"""What the client always sends, though no document has it, and an account could not keep it: it is refused by name."""
LENIENT: Final = frozenset({"Payment", "ProductOrder", "Refund"})
"""Read without the client's strictness: it does not know the official type Cash, and wants a name of every product,
also of one that an order is to deliver."""
RECORDED: Final[Mapping[str, Mapping[str, object]]] = {
    "Product": {"@type": "Product", "name": "theirs", "status": "active"},
    "Service": {
        "@type": "Service",
        "state": "active",
        "serviceSpecification": {"@type": "ServiceSpecificationRef", "id": "vpn"},
    },
    "Resource": {"@type": "Resource", "name": "router"},
}
"""What is not ours in a list that has things of ours too: ours stay, these can be removed."""
INDIVIDUAL: Final = Target("632", "Individual")
PARTIES: Final = ("PartyRef", "RelatedParty", "RelatedPartyOrPartyRole", "RelatedPartyRefOrPartyRoleRef")
PLAIN: Final[Mapping[str, object]] = {
    "string": "Nord",
    "boolean": True,
    "integer": 1,
    "number": 1,
    "dateTime": "2026-06-01T12:00:00.000Z",
    "date": "2026-06-01",
}


def own_account(operator: Operator, version: Version) -> dict[str, Any]:
    party = made_by_hand(INDIVIDUAL, operator)
    flat = {"id": party, "role": "customer"}
    wrapped = {"role": "customer", "partyOrPartyRole": {"@type": "PartyRef", "id": party}}
    return {"name": f"A-{party[-12:]}", "relatedParty": [flat if version is Version.V4 else wrapped]}


def own_customer(operator: Operator, _: Version) -> dict[str, Any]:
    return {"name": "Anna", "engagedParty": {"id": made_by_hand(INDIVIDUAL, operator)}}


def own_product(operator: Operator, _: Version) -> dict[str, Any]:
    return {"name": "Line", "status": "active", **sold(operator)}


def own_service(operator: Operator, version: Version) -> dict[str, Any]:
    product = {"@referredType": "Product", "id": made_by_hand(Target("637", "Product"), operator)}
    wrapped = {"entity": {"@type": "EntityRef", **product}}
    entity = {"role": "product", **(product if version is Version.V4 else wrapped)}
    return {"state": "active", "serviceSpecification": {"id": "line"}, "relatedEntity": [entity]}


def own_resource(operator: Operator, _: Version) -> dict[str, Any]:
    with operator.http() as client:
        client.post("/farwire/v1/pools", json={"name": "numbers", "kind": "msisdn"})
        known = len(client.get("/tmf-api/resourceInventoryManagement/v4/resource").json())
    pool = {"@type": "StringCharacteristic", "name": "pool", "value": "numbers"}
    return {"name": f"49151000000{known:02}", "resourceCharacteristic": [pool]}


def own_payment(operator: Operator, _: Version) -> dict[str, Any]:
    account = made_by_hand(Target("666", "BillingAccount"), operator)
    return {
        "account": {"id": account},
        "paymentMethod": {"@type": "Cash", "name": "till"},
        "totalAmount": {"unit": "EUR", "value": 5.0},
        "correlatorId": account,
    }


def own_order(operator: Operator, _: Version) -> dict[str, Any]:
    wanted = sold(operator)
    item = {"id": "1", "action": "add", "productOffering": wanted["productOffering"]}
    return {"billingAccount": wanted["billingAccount"], "productOrderItem": [item]}


def sold(operator: Operator) -> dict[str, Any]:
    """Return who buys what."""
    with operator.http() as client:
        (offering,) = client.get("/tmf-api/productCatalogManagement/v4/productOffering").json()
    account = made_by_hand(Target("666", "BillingAccount"), operator)
    return {"billingAccount": {"id": account}, "productOffering": {"id": offering["id"]}}


def own_refund(operator: Operator, _: Version) -> dict[str, Any]:
    paid = made_by_hand(Target("676", "Payment"), operator)
    with operator.http() as client:
        account = client.get(f"/tmf-api/payment/v4/payment/{paid}").json()["account"]
    return {
        "account": {"id": account["id"]},
        "payment": {"id": paid},
        "paymentMethod": {"@type": "Cash"},
        "totalAmount": {"unit": "EUR", "value": 1.0},
        "description": "moved",
    }


OWN: Final[Mapping[str, Callable[[Operator, Version], dict[str, Any]]]] = {
    "Individual": lambda *_: {"givenName": "Anna", "familyName": "Berg"},
    "BillingAccount": own_account,
    "Customer": own_customer,
    "Payment": own_payment,
    "Refund": own_refund,
    "Product": own_product,
    "Resource": own_resource,
    "Service": own_service,
    "ProductOrder": own_order,
}
"""What a thing needs that no table says, by the TMF type."""


def required(resource: Resource, version: Version, operator: Operator) -> dict[str, Any]:
    """Return a document with what its table of facts requires; what it refers to is made first."""
    document: dict[str, Any] = {"@type": resource.descriptor.type_in(version)}
    if own := OWN.get(resource.descriptor.type):
        return document | own(operator, version)
    for one in resource.descriptor.of(version):
        if one.type == "string" and one.name == "name":
            document["name"] = "Nord"
        if version in one.required and one.writable and not one.name.startswith("@"):
            value: Any = PLAIN.get(one.type) or {"id": "1"}
            refers = one.refers or (INDIVIDUAL if one.type in PARTIES else None)
            if refers is not None:
                value = {"id": made_by_hand(refers, operator)}
            document[one.name_in(version)] = [value] if one.many else value
    lifecycle = resource.descriptor.lifecycle
    document.pop(lifecycle.attribute if lifecycle else "", None)
    return document


def made_by_hand(target: Target, operator: Operator) -> str:
    """Make what a new thing refers to, by plain HTTP; return its id."""
    path, resource = next(
        (path, one) for path, one in BINDINGS.items() if one.descriptor.type == target.type and "/v4/" in path
    )
    with operator.http() as client:
        answer = client.post(path, json=required(resource, Version.V4, operator))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def made(cls: type[Any], resource: Resource, version: Version, operator: Operator) -> Any:
    """Return a new thing of the client's class that has what is required."""
    if cls.__name__ in MADE:
        return MADE[cls.__name__](operator)
    thing = cls.from_dict({**required(resource, version, operator), "@type": cls.__name__})
    for name in NOT_SENT.get(cls.__name__, ()):
        setattr(thing, name, None)
    return thing


@pytest.fixture
def context(operator: Operator) -> Any:
    """The client's context. It refuses an answer that has an object of which it does not know the type."""
    return tmforum.Context(
        api_base_url=operator.base,
        access_token=operator.key,
        headers={
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Authorization": f"Bearer {operator.key}",
        },
        logger=logging.getLogger("farwire.tests"),
        strict_parsing=True,
    )


@pytest.mark.parametrize("name", sorted(SERVED_KINDS))
def test_the_client_makes_reads_finds_changes_and_removes_one_of_each_type(
    name: str, context: Any, operator: Operator
) -> None:
    """What a type does not offer is refused, and leaves no trace."""
    path = SERVED_KINDS[name]
    version = Version.V4 if "/v4/" in path else Version.V5
    cls, resource = getattr(tmforum, name), BINDINGS[path]
    can = resource.descriptor.operations
    context.strict_parsing = name not in LENIENT
    new = made(cls, resource, version, operator)
    if Operation.CREATE in can:
        thing = new.create(context)
        assert isinstance(thing, cls), thing
    else:
        before = cls.query_get("", context)
        assert new.create(context)["status"] == "405"
        assert len(cls.query_get("", context)) == len(before)
        if not before:
            return
        thing = before[0]
    assert thing.read(context) == thing == cls.from_id(thing.id, context)
    if Operation.LIST in can:
        assert [one.id for one in cls.query_get(f"id={thing.id}", context)] == [thing.id]
        assert cls.query_get("id=none", context) == []
    check_patches(cls, resource, version, thing, context)
    answer = thing.delete(context)
    others = RECORDED.get(resource.descriptor.type)
    if others is not None and resource.behaviour is not None:
        assert answer["code"] == "tmf.own_thing"
        assert cls.from_id(thing.id, context) is not None
        thing = cls.from_id(recorded(operator, path, others), context)
        answer = thing.delete(context)
    if Operation.DELETE in can:
        assert answer == {}
        assert cls.from_id(thing.id, context) is None
    else:
        assert answer["status"] == "405"
        assert cls.from_id(thing.id, context) is not None


def recorded(operator: Operator, path: str, body: Mapping[str, object]) -> str:
    """Make a thing that is not ours in a list of ours."""
    with operator.http() as client:
        answer = client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def texts(resource: Resource, version: Version, thing: Any) -> Iterator[str]:
    """Yield what may be patched, the usual ones first."""
    lifecycle = resource.descriptor.lifecycle
    found = [
        one.name_in(version)
        for one in resource.descriptor.of(version)
        if (one.type, one.many, one.patchable, one.writable) == ("string", False, True, True)
        and not (lifecycle and one.name == lifecycle.attribute)
    ]
    yield from (name for name in ("description", "name", *found) if name in found and hasattr(thing, name))


def check_patches(cls: type[Any], resource: Resource, version: Version, thing: Any, context: Any) -> None:
    """By merge, by json-patch and by json-patch-query, as the client sends them."""
    attribute = CHANGED.get(cls.__name__) or next(texts(resource, version, thing), "")
    operations = [{"op": "replace", "path": f"/{attribute}", "value": "Second"}]
    if Operation.PATCH not in resource.descriptor.operations:
        thing.update({attribute: "First"}, context)
        assert thing.read(context) == thing
        return
    if not attribute:
        assert thing.update({}, context) == thing
        return
    assert getattr(thing.update({attribute: "First"}, context), attribute) == "First"
    patched = thing.update(operations, context, {"Content-Type": "application/json-patch+json"})
    assert getattr(patched, attribute) == "Second"
    queried = thing.query_update([{**operations[0], "value": "Third"}], context)
    assert getattr(queried, attribute) == "Third" == getattr(thing.read(context), attribute)


def test_every_type_that_the_client_knows_is_tried_or_has_a_reason() -> None:
    names = {cls.__name__ for _, cls in known()}
    assert names - SERVED_KINDS.keys() - EXCLUDED.keys() == set()
    assert EXCLUDED.keys() - names == set()
    assert SERVED_KINDS.keys() & EXCLUDED.keys() == set(), "served now: take them off the list"
