"""PyPI `tmforum`, a client that somebody else wrote, creates, reads, queries, patches and deletes what we serve."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import pytest
import tmforum

from farwire.app import api_routes
from farwire.base.tmf import Operation, Resource, Version
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
    "not-yet": "of an API that is not served yet",
    "no-v5": "not served yet; the client asks v5, of which there is no document",
}
EXCLUDED: Final = {
    name: REASONS[reason]
    for reason, *names in map(
        str.split,
        """
        not-yet TroubleTicket TroubleTicketSpecification
        not-yet CancelProductOrder ProductOrder
        not-yet Customer
        not-yet ServiceCandidate ServiceCatalog ServiceCategory ServiceSpecification
        not-yet ExportJob ImportJob LogicalResourceSpecification PhysicalResourceSpecification
        not-yet ResourceCandidate ResourceCatalog ResourceCategory ResourceFunctionSpecification
        not-yet ResourceSpecification
        not-yet Product ProductValue RatePlanProduct UsageVolumeProduct
        not-yet Service
        not-yet LogicalResource PhysicalResource Resource ResourceCollection
        not-yet CancelServiceOrder ServiceOrder ServiceOrderSpecification
        no-v5   Quote
        not-yet CancelResourceOrder ResourceOrder
        not-yet ProblemAcknowledgement ProblemGroup ProblemUnacknowledgement ProblemUngroup
        not-yet ServiceProblem ServiceProblemEventRecord
        not-yet ShoppingCart
        not-yet BillFormat BillPresentationMedia BillingAccount BillingCycleSpecification
        not-yet FinancialAccount PartyAccount SettlementAccount
        not-yet BusinessPartner Consumer PartyRole Producer Supplier
        not-yet Promotion
        not-yet GeographicAddress GeographicAddressValidation
        no-v5   GeographicSite
        not-yet Payment PaymentPlan Refund
        not-yet QueryUsageConsumption UsageConsumptionReport
        not-yet AppliedCustomerBillingRate BillCycle CustomerBill CustomerBillOnDemand
        not-yet CheckProductOfferingQualification QueryProductOfferingQualification
        not-yet PartyInteraction
        no-v5   CapacitySpecification ResourcePool ResourcePoolSpecification
        no-v5   SalesLead SalesOpportunity
        no-v5   Process ProcessSpecification Task TaskSpecification
        no-api  Customer360
        no-api  ManagedPolicy ManagedPolicyVariable PolicyCatalog PolicyDomain
        no-api  CheckProductConfiguration QueryProductConfiguration
        no-api  ProductUsageSpecification
        no-api  EvaluateFraudRisk
        no-api  ResourceUsage ResourceUsageSpecification
        no-api  Intent IntentSpecification ProbeIntent
        no-api  ApiProductSpecification OpenGatewayProductOffering OpenGatewayProductSpecification
        no-api  UsageVolumeProductSpecification
        """.strip().splitlines(),
    )
    for name in names
}


def specification() -> Any:
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


MADE: Final[Mapping[str, Callable[[], Any]]] = {
    "ProductSpecification": specification,
    "Individual": lambda: tmforum.Individual(givenName="Anna", familyName="Berg"),
    "Organization": lambda: tmforum.Organization(name="Berg KG", tradingName="Berg"),
}
"""How to make one of a type. What is not here is made of what its table of facts says is required."""
CHANGED: Final = {"Individual": "familyName", "Organization": "tradingName"}
"""What is patched, where it is neither description nor name."""


def made(cls: type[Any], resource: Resource) -> Any:
    """Return a new thing of the client's class that has what is required."""
    if cls.__name__ in MADE:
        return MADE[cls.__name__]()
    required = [one for one in resource.descriptor.of(Version.V5) if Version.V5 in one.required]
    plain = {
        "string": "Nord",
        "boolean": True,
        "integer": 1,
        "number": 1,
        "dateTime": "2026-06-01T12:00:00.000Z",
    }
    values = {
        one.name: plain.get(one.type, {"@type": one.type, "id": "1"}) for one in required if one.writable
    }
    lists = {one.name for one in required if one.many}
    document = {name: [value] if name in lists else value for name, value in values.items()}
    lifecycle = resource.descriptor.lifecycle
    document.pop(lifecycle.attribute if lifecycle else "", None)
    return cls.from_dict({**document, "@type": cls.__name__})


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
def test_the_client_makes_reads_finds_changes_and_removes_one_of_each_type(name: str, context: Any) -> None:
    """What a type does not offer is refused, and leaves no trace."""
    cls, resource = getattr(tmforum, name), BINDINGS[SERVED_KINDS[name]]
    can = resource.descriptor.operations
    new = made(cls, resource)
    if Operation.CREATE in can:
        thing = new.create(context)
        assert isinstance(thing, cls), thing
    else:
        before = len(cls.query_get("", context))
        assert new.create(context)["status"] == "405"
        (thing, *_) = cls.query_get("", context)
        assert len(cls.query_get("", context)) == before
    assert thing.read(context) == thing == cls.from_id(thing.id, context)
    assert [one.id for one in cls.query_get(f"id={thing.id}", context)] == [thing.id]
    assert cls.query_get("id=none", context) == []
    check_patches(cls, resource, thing, context)
    answer = thing.delete(context)
    if Operation.DELETE in can:
        assert answer == {}
        assert cls.from_id(thing.id, context) is None
    else:
        assert answer["status"] == "405"
        assert cls.from_id(thing.id, context) is not None


def check_patches(cls: type[Any], resource: Resource, thing: Any, context: Any) -> None:
    """By merge, by json-patch and by json-patch-query, as the client sends them."""
    names = {one.name for one in resource.descriptor.of(Version.V5) if one.type == "string"}
    attribute = CHANGED.get(cls.__name__, "description" if "description" in names else "name")
    operations = [{"op": "replace", "path": f"/{attribute}", "value": "Second"}]
    if Operation.PATCH not in resource.descriptor.operations:
        thing.update({attribute: "First"}, context)
        assert thing.read(context) == thing
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
