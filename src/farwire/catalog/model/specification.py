"""Specifications: what a product is made of, as data that a product manager writes.

A product is realised by services, a service needs resources and is switched on by operations of adapters. What is
ordered follows from these documents alone. docs/catalog.md teaches them with examples.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias, Union

import msgspec

Value: TypeAlias = Union[bool, int, str]  # noqa: UP007
"""The value of a characteristic; a decimal is written as text, "1.5", so that it is exact."""


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A part of a catalogue file. A field that Farwire does not know is an error, never ignored.

    What has its default is not written, so that the digest of a document does not change when a field is added.
    """


class Kind(StrEnum):
    """What a document of the catalogue describes."""

    RESOURCE = "resource_specification"
    SERVICE = "service_specification"
    PRODUCT = "product_specification"
    OFFERING = "offering"


class ValueType(StrEnum):
    """The type of a characteristic's value. Source: TMF620, CharacteristicSpecification.valueType."""

    TEXT = "text"
    INTEGER = "integer"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"


class Characteristic(Section, frozen=True):
    """Something that can differ between two products of one specification: a speed, a SIM type.

    ``values`` lists what is allowed, or ``minimum`` and ``maximum`` (inclusive) bound a number. What is not
    ``configurable`` has its ``default`` and cannot be ordered otherwise.
    """

    name: str
    value_type: ValueType = ValueType.TEXT
    label: str = ""
    unit: str = ""
    values: tuple[Value, ...] = ()
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    mandatory: bool = False
    configurable: bool = True
    default: Value | None = None


class RelationType(StrEnum):
    """How two specifications of one kind relate. Source: TMF620, ProductSpecificationRelationship."""

    DEPENDENCY = "dependency"
    """This one works only beside the other."""
    EXCLUSIVITY = "exclusivity"
    """The two are never together."""
    SUBSTITUTION = "substitution"
    """This one can stand in for the other."""
    MIGRATION = "migration"
    """Who has the other can change to this one."""


class Relation(Section, frozen=True):
    """A relation to another specification of the same kind, by its code."""

    type: RelationType
    specification: str


class Specification(Section, frozen=True, kw_only=True):
    """What the three kinds of specification have in common. A version holds until the next one starts.

    A specification has no end in time, so that what refers to it never finds a gap; it ends by its lifecycle.
    """

    code: str
    name: str
    description: str = ""
    characteristics: tuple[Characteristic, ...] = ()
    relations: tuple[Relation, ...] = ()
    valid_from: datetime | None = None
    """None: the start that the file says for all of its documents."""


class ResourceSpecification(Specification, frozen=True, kw_only=True):
    """A kind of resource: a number, an eSIM profile, a port. Source: TMF634."""

    kind: str
    """As the inventory calls it: "msisdn", "esim_profile", "port"."""


class Condition(Section, frozen=True):
    """What a value must be: one of ``values``, or a number from ``minimum`` to ``maximum`` (inclusive).

    ``of`` names a characteristic, or a fact of the place ("place.fibre"). A value that is not known fulfils nothing.
    """

    of: str
    values: tuple[Value, ...] = ()
    minimum: Decimal | None = None
    maximum: Decimal | None = None


class Rule(Section, frozen=True):
    """What realises a product or a service: of ``services`` the first one that can be delivered, ``quantity`` times.

    It holds where all of ``when`` do. ``mapping`` gives characteristics of the service: a text, in which ``{down}`` is
    the characteristic and ``{place.olt}`` the fact of the place of what it realises; those that it does not name are
    passed down by their name. ``quantity`` is a number, or ``{sites}``. It is switched on after the rules in ``after``.
    """

    name: str
    services: tuple[str, ...]
    """Codes of service specifications."""
    when: tuple[Condition, ...] = ()
    mapping: Mapping[str, str] = {}
    quantity: str = "1"
    after: tuple[str, ...] = ()


class ResourceNeed(Section, frozen=True):
    """``count`` resources of ``kind`` from the pool ``pool``, for each service, where all of ``when`` hold.

    ``otherwise`` are the pools to take them from where ``pool`` has none left, in their order. A pool may be named by
    characteristics of the service and facts of the place: "pon-{place.olt}". ``specification`` is the code of the
    resource specification that describes them; it may be left out.
    """

    kind: str
    pool: str
    count: int = 1
    specification: str = ""
    when: tuple[Condition, ...] = ()
    otherwise: tuple[str, ...] = ()


class ActivationOperation(Section, frozen=True):
    """``operation`` of the activation adapter ``adapter``, with fixed ``parameters`` beside those of the order."""

    adapter: str
    operation: str
    parameters: Mapping[str, str] = {}
    when: tuple[Condition, ...] = ()


class Facing(StrEnum):
    """To whom a service matters. Source: TMF633, the SID's customer-facing and resource-facing services."""

    CUSTOMER = "customer"
    RESOURCE = "resource"


class ServiceSpecification(Specification, frozen=True, kw_only=True):
    """A service, the resources that it needs and the operations that switch it on, in their order. Source: TMF633.

    ``rules`` name the services that it stands on; they are switched on before it. ``when`` says where it can be
    delivered, and with what characteristics.
    """

    facing: Facing = Facing.CUSTOMER
    when: tuple[Condition, ...] = ()
    rules: tuple[Rule, ...] = ()
    resources: tuple[ResourceNeed, ...] = ()
    operations: tuple[ActivationOperation, ...] = ()


class ProductSpecification(Specification, frozen=True, kw_only=True):
    """What a product is, and the services that realise it, in the order of their activation. Source: TMF620.

    ``services`` always do, one after the other; ``rules`` say what else does, and when.
    """

    services: tuple[str, ...] = ()
    """Codes of service specifications."""
    rules: tuple[Rule, ...] = ()
