"""How a target's attributes lie in the JSON of an HTTP interface: the settings, and the documents made and read. Pure.

Every write sends the whole of what a target should be, so that sending it again changes nothing. A body is a JSON text
whose strings name what goes there: ``"{address}"`` becomes the attribute's value in its own type, ``"{target}"`` the
target, ``"{status}"`` the word of the status. A member whose value is not known is left out. Source: RFC 6901.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Literal, get_args
from urllib.parse import quote

import msgspec

from farwire.activation.adapters.settings import Status, unusable
from farwire.activation.model import ACTIVE, STATUS, SUSPENDED, Action, Operation

Type = Literal["text", "number", "boolean"]
Method = Literal["POST", "PUT", "PATCH", "DELETE"]
TARGET: Final = "target"
OTHER_PATHS: Final = (".", "..")
"""Targets that would lead to another path."""
_NAMED: Final = re.compile(r"\{([^{}]+)\}")
_INTEGER: Final = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_ABSENT: Final = object()
_STATUS_OF: Final = {Action.PROVISION: ACTIVE, Action.SUSPEND: SUSPENDED, Action.RESUME: ACTIVE}


class Read(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one target is read."""

    path: str
    present: str = ""
    """Where something must be for the target to be there; empty: the answer itself. 404 means that it is not there."""


class Write(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of change."""

    method: Method
    path: str
    body: str = ""


class Listing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the targets are listed, all in one answer."""

    path: str
    items: str = ""
    name: str = ""
    """Where the target is in an item."""
    where: str = ""
    equals: str = ""
    """What an item must have ``where``, to be a target."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of an HTTP element."""

    login: Literal["none", "bearer", "basic", "header"] = "bearer"
    """How the credentials go along: for ``basic`` they are user:password."""
    header: str = ""
    """For ``header``: its name."""
    authorities: str = ""
    """The file of the certificates that the server's must come from; empty: those of the system."""
    read: Read | None = None
    """Absent: a target is its item of the listing, and pointers begin there."""
    write: Write
    create: Write | None = None
    """Where a target that is not there is not made by ``write``."""
    remove: Write
    listing: Listing | None = None
    attribute: dict[str, str]
    """JSON pointer and type (text, number, boolean) by the name of the attribute."""
    status: Status | None = None
    """``at`` is a pointer and a type, too."""

    def checked(self) -> Settings:
        """Return the settings. Raises ``Invalid`` (``activation.element``)."""
        if (self.login == "header") != bool(self.header):
            raise unusable("header", "login header needs its name, and nothing else does")
        listing = {} if self.listing is None else {"listing.path": self.listing.path}
        writes = {
            "write": self.write,
            "remove": self.remove,
            **({"create": self.create} if self.create else {}),
        }
        read = {} if self.read is None else {"read.path": self.read.path}
        if not (read or listing):
            raise unusable("read", "either it or listing says how a target is read")
        paths = {
            **read,
            **listing,
            **{f"{name}.path": one.path for name, one in writes.items()},
        }
        for field, path in paths.items():
            if not path.startswith("/") or not set(_NAMED.findall(path)) <= {TARGET}:
                raise unusable(field, "it is no path such as /zones/{target}")
        pointers = {f"attribute.{name}": text for name, text in self.attribute.items()}
        if self.status is not None:
            pointers["status.at"] = self.status.at
        for field, text in pointers.items():
            if not text.startswith("/") or _type(text) not in get_args(Type):
                raise unusable(field, "it is no JSON pointer and type")
        for name, one in writes.items():
            self._check_body(f"{name}.body", one.body)
        return self

    def _check_body(self, field: str, body: str) -> None:
        try:
            template = msgspec.json.decode(body) if body else None
        except msgspec.DecodeError:
            raise unusable(field, "it is no JSON") from None
        for name in _names(template):
            if name not in (TARGET, STATUS, *self.attribute):
                raise unusable(field, f"nothing is called {name}")

    def unknown(self, operation: Operation) -> str:
        """Return why the operation cannot be written, or ""."""
        if more := sorted(operation.attributes.keys() - self.attribute.keys()):
            return "no place is named for " + ", ".join(more)
        if self.status is None and operation.action in (Action.SUSPEND, Action.RESUME):
            return "no place is named for the status"
        if operation.target in OTHER_PATHS:
            return "the target would be another path"
        for name, text in operation.attributes.items():
            if _typed(text, _type(self.attribute[name])) is _ABSENT:
                return f"{name} must be a {_type(self.attribute[name])}"
        return ""

    def path(self, template: str, target: str) -> str:
        """Return a path, the target in it as one part of it."""
        return template.replace("{target}", quote(target, safe=""))

    def body(self, one: Write, target: str, wanted: Mapping[str, str]) -> bytes:
        """Return the body of a change that makes the target what is wanted."""
        if not one.body:
            return b""
        known: dict[str, Any] = {TARGET: target}
        known |= {
            name: _typed(wanted[name], _type(at)) for name, at in self.attribute.items() if name in wanted
        }
        if self.status is not None and STATUS in wanted:
            known[STATUS] = _typed(self.status.word(wanted[STATUS]), _type(self.status.at))
        return msgspec.json.encode(_filled(msgspec.json.decode(one.body), known))

    def wanted(self, before: Mapping[str, str] | None, operation: Operation) -> dict[str, str]:
        """Return what the target should be after an operation that leaves it there."""
        status = _STATUS_OF.get(operation.action, (before or {}).get(STATUS, ACTIVE))
        return {**(before or {}), **operation.attributes, STATUS: status}

    def shown(self, document: Any) -> dict[str, str] | None:
        """Return what an answer says of its target; None: it is not there."""
        if (
            self.read is not None
            and self.read.present
            and _found(document, self.read.present) in (_ABSENT, None)
        ):
            return None
        texts = {name: _text(_found(document, _pointer(at))) for name, at in self.attribute.items()}
        found = {name: text for name, text in texts.items() if text is not None}
        word = None if self.status is None else _text(_found(document, _pointer(self.status.at)))
        return {**found, STATUS: ACTIVE if self.status is None else self.status.shown(word)}

    def items(self, document: Any) -> dict[str, Any]:
        """Return the items of a listing by their targets."""
        listing = self.listing
        found = [] if listing is None else _found(document, listing.items)
        if listing is None or not isinstance(found, list):
            return {}
        if listing.where:
            found = [item for item in found if _text(_found(item, listing.where)) == listing.equals]
        named = {_text(_found(item, listing.name)): item for item in found}
        return {name: item for name, item in named.items() if name}


def _pointer(text: str) -> str:
    return text.partition(" ")[0]


def _type(text: str) -> str:
    return text.partition(" ")[2] or "text"


def _typed(text: str, kind: str) -> Any:
    """Return a text as a value of a type; absent where it is none."""
    if kind == "number":
        return int(text) if _INTEGER.fullmatch(text) else _ABSENT
    if kind == "boolean":
        return {"true": True, "false": False}.get(text, _ABSENT)
    return text


def _text(value: Any) -> str | None:
    """Return a plain value as a text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (str, int, float)) else None


def _found(document: Any, pointer: str) -> Any:
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(document, list) and key.isascii() and key.isdigit() and int(key) < len(document):
            document = document[int(key)]
        elif isinstance(document, dict) and key in document:
            document = document[key]
        else:
            return _ABSENT
    return document


def _names(template: Any) -> list[str]:
    if isinstance(template, str):
        return _NAMED.findall(template)
    inner = (
        template.values() if isinstance(template, dict) else template if isinstance(template, list) else ()
    )
    return [name for one in inner for name in _names(one)]


def _filled(template: Any, known: Mapping[str, Any]) -> Any:
    """Return a template with what is known; absent where it names something that is not."""
    if isinstance(template, dict):
        filled = {name: _filled(one, known) for name, one in template.items()}
        return {name: one for name, one in filled.items() if one is not _ABSENT}
    if isinstance(template, list):
        return [one for one in (_filled(each, known) for each in template) if one is not _ABSENT]
    if not isinstance(template, str):
        return template
    whole = _NAMED.fullmatch(template)
    if whole is not None:
        return known.get(whole[1], _ABSENT)
    if any(name not in known for name in _NAMED.findall(template)):
        return _ABSENT
    return _NAMED.sub(lambda one: _text(known[one[1]]) or "", template)
