"""Descriptors: what is known of a TMF resource, as a table of facts that a person reads and a test compares.

One line of a table is one attribute: its name in v5, its type, and words that say more.

    name             string      required
    lifecycleStatus  string      required=v5
    lastUpdate       dateTime    changed
    parent           CategoryRef v5
    creationDate     dateTime    created v4=createdOn
    category         CategoryRef[] ->620/Category
    needs            ResourceSpecificationRef ->catalogue/ResourceSpecification

What stands after ``->`` and is not served is not looked up: the catalogue has specifications of its own.
A type with a small first letter is a plain one; one with a capital is an object, known to ``parts`` or not looked into.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from farwire.kernel.errors import check

PLAIN: Final = frozenset({"string", "integer", "number", "boolean", "dateTime", "date", "any", "object"})
"""Types that are no object with attributes."""
_LINE: Final = re.compile(r"(@?[A-Za-z][\w]*)\s+([A-Za-z]\w*)(\[\])?(?:\s+(.*))?")


class Version(StrEnum):
    """The two generations of the APIs."""

    V4 = "v4"
    V5 = "v5"


class Fill(StrEnum):
    """Who gives a value that the client does not."""

    NONE = ""
    CREATED = "created"
    """The server: the time of creation, unless the client gives one."""
    CHANGED = "changed"
    """The server: the time of the last change. What a client sends is not kept."""
    SERVER = "server"
    """The server, in a way of its own. What a client sends is not kept."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a reference points to: an API's number and the type of a resource there."""

    api: str
    type: str


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute. ``name`` is that of v5, ``v4_name`` that of v4; ``versions`` are those that have it."""

    name: str
    type: str
    many: bool = False
    required: frozenset[Version] = frozenset()
    versions: frozenset[Version] = frozenset(Version)
    v4_name: str = ""
    fill: Fill = Fill.NONE
    patchable: bool = True
    default: str | bool | int | None = None
    older: str = ""
    """What earlier documents of v4 called it: a client may still send it so."""
    refers: Target | None = None

    @property
    def writable(self) -> bool:
        """Return whether a client's value is kept when it creates."""
        return self.fill in (Fill.NONE, Fill.CREATED)

    def name_in(self, version: Version) -> str:
        """Return the name on the wire."""
        return self.v4_name if version is Version.V4 and self.v4_name else self.name


def attributes(table: str) -> tuple[Attribute, ...]:
    """Return the attributes of a table, in its order. A line that cannot be read is a ``Defect``."""
    found = [_attribute(line.strip()) for line in table.strip().splitlines() if line.strip()]
    names = [one.name for one in found]
    check(len(names) == len(set(names)), "tmf.descriptor", f"an attribute stands twice in {names}")
    return tuple(found)


def _attribute(line: str) -> Attribute:
    match = _LINE.fullmatch(line)
    if match is None:
        check(False, "tmf.descriptor", f"not a line of a table of attributes: {line}")  # noqa: FBT003
        raise AssertionError
    name, kind, many, words = match[1], match[2], bool(match[3]), (match[4] or "").split()
    check(kind in PLAIN or kind[0].isupper(), "tmf.descriptor", f"no such type: {line}")
    facts: dict[str, object] = {}
    for word in words:
        facts |= _fact(word, line)
    return Attribute(name, kind, many, **facts)  # type: ignore[arg-type]


def _fact(word: str, line: str) -> dict[str, object]:
    key, _, value = word.partition("=")
    if key == "required":
        return {"required": frozenset({Version(value)} if value else Version)}
    if key in ("v4", "v5"):
        return {"v4_name": value} if value else {"versions": frozenset({Version(key)})}
    if key == "fixed":
        return {"patchable": False}
    if key == "was":
        return {"older": value}
    if key == "default":
        return {"default": {"true": True, "false": False}.get(value, value)}
    if key.startswith("->"):
        return {"refers": Target(*key[2:].split("/"))}
    check(key in ("created", "changed", "server"), "tmf.descriptor", f"unknown word {word}: {line}")
    return {"fill": Fill(key)}


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """The states of a resource: in which attribute, which first, and from each one the next ones."""

    attribute: str
    initial: str
    next: Mapping[str, tuple[str, ...]]
    any_on_create: bool = True
    """Whether a client may create in any state, as inventories record what is; else in the initial one only."""

    @property
    def states(self) -> tuple[str, ...]:
        """Return all states, in the order of the table."""
        return tuple(self.next)


def lifecycle(attribute: str, table: str, *, any_on_create: bool = True) -> Lifecycle:
    """Return the lifecycle of a table with lines such as ``In study -> In design, Rejected``; the first is initial."""
    following: dict[str, tuple[str, ...]] = {}
    for line in table.strip().splitlines():
        state, _, after = line.partition("->")
        following[state.strip()] = tuple(name.strip() for name in after.split(",") if name.strip())
    unknown = {name for names in following.values() for name in names} - following.keys()
    check(not unknown, "tmf.descriptor", f"states without a line: {sorted(unknown)}")
    return Lifecycle(attribute, next(iter(following)), MappingProxyType(following), any_on_create)


Convert: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Part:
    """An object inside a resource: its attributes, as far as they are checked, and how v4 wrote it.

    ``wraps``: v5 puts the thing itself under this name, where v4 has it flat. ``to_v4`` and ``from_v4`` are for what
    no renaming expresses; ``from_v4`` must undo ``to_v4``.
    """

    own: tuple[Attribute, ...] = ()
    typed: bool = True
    """Whether v5 gives it an ``@type``."""
    wraps: str = ""
    wrapped_type: str = ""
    v4_type: str = ""
    to_v4: Convert | None = None
    from_v4: Convert | None = None


class Operation(StrEnum):
    """What can be done with a resource. PUT only with those that ask for it: a patch does what it does, and more."""

    LIST = "list"
    GET = "get"
    CREATE = "create"
    PATCH = "patch"
    DELETE = "delete"
    PUT = "put"


ALL: Final = frozenset(Operation) - {Operation.PUT}

STANDARD: Final = attributes(
    """
    id              string fixed
    href            string server
    @type           string fixed required=v5
    @baseType       string fixed
    @schemaLocation string
    """
)
"""What every resource has."""


PARENT: Final = Attribute("@parent", "string", versions=frozenset())
"""Where a nested resource keeps the id of the one that it is in. No version shows it."""


@dataclass(frozen=True, slots=True)
class Inside:
    """The resource that a nested one belongs to: its collection and its type, in the same API."""

    path: str
    type: str


@dataclass(frozen=True)
class Descriptor:
    """The facts of one resource. ``path`` is its collection on the wire, ``type`` its TMF name."""

    type: str
    path: str
    own: tuple[Attribute, ...]
    operations: frozenset[Operation] = ALL
    lifecycle: Lifecycle | None = None
    events: tuple[str, ...] = ("Create", "AttributeValueChange", "StateChange", "Delete")
    """Names of its events without type and "Event": ``ProductOrder`` + ``StateChange`` + ``Event``."""
    subtypes: tuple[str, ...] = ()
    """Further values of ``@type`` that the documents name."""
    versions: frozenset[Version] = field(default=frozenset(Version))
    parts: Mapping[str, Part] = field(default_factory=dict)
    """Objects inside it that are looked into, beside those that ``parts`` knows for all."""
    v4_path: str = ""
    v4_type: str = ""
    """Where v4 calls it otherwise: v5 ``ProductCatalog`` was ``Catalog``."""
    inside: Inside | None = None
    v4_events: Mapping[str, str] = field(default_factory=dict)
    """Words of events that v4 has otherwise: ``AttributeValueChange`` was ``Change`` of some."""

    def word_in(self, version: Version, word: str) -> str:
        """Return the word in the name of an event on the wire."""
        return self.v4_events.get(word, word) if version is Version.V4 else word

    def path_in(self, version: Version) -> str:
        """Return the collection's name on the wire."""
        return self.v4_path if version is Version.V4 and self.v4_path else self.path

    def collection(self, version: Version, parent: str) -> str:
        """Return the path of the collection below the base path; ``parent`` is the id of the outer resource."""
        path = self.path_in(version)
        return path if self.inside is None else f"{self.inside.path}/{parent}/{path}"

    def type_in(self, version: Version) -> str:
        """Return the type's name on the wire."""
        return self.v4_type if version is Version.V4 and self.v4_type else self.type

    @cached_property
    def attributes(self) -> Mapping[str, Attribute]:
        """Return all attributes by their name of v5."""
        hidden = () if self.inside is None else (PARENT,)
        return MappingProxyType({one.name: one for one in (*STANDARD, *hidden, *self.own)})

    def of(self, version: Version) -> tuple[Attribute, ...]:
        """Return the attributes that ``version`` has."""
        return tuple(one for one in self.attributes.values() if version in one.versions)

    def required(self, version: Version) -> tuple[str, ...]:
        """Return the names, on the wire, of what must be there."""
        return tuple(one.name_in(version) for one in self.of(version) if version in one.required)
