"""Where a target's attributes lie in an agent's tables: the settings, and the objects made and read by them. Pure.

A target is a row. ``index`` says how its name becomes the index; each attribute is a column, by its OID and type.
Rows come and go by the RowStatus in ``row``; where they are ports, which are always there, ``taken`` names the
attribute that is empty while nobody has the port. Source: RFC 2578, RFC 2579.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any, Final, Literal

import msgspec

from farwire.activation.adapters.settings import Status, unusable
from farwire.activation.model import ACTIVE, STATUS, SUSPENDED, Action, Operation

Index = tuple[int, ...]
CREATE: Final = "4"
DESTROY: Final = "6"
_OID: Final = re.compile(r"[0-2](\.(0|[1-9][0-9]{0,9})){1,126}")
_HEX: Final = re.compile(r"([0-9a-f]{2})*")
_ROW: Final = re.compile(r"0|[1-9][0-9]{0,9}")
_NUMBER: Final = re.compile(r"-?[0-9]{1,10}")
_BITS: Final = 32


def _is_oid(text: str) -> bool:
    return bool(_OID.fullmatch(text)) and all(int(part) < 2**_BITS for part in text.split("."))


def _is_integer(text: str) -> bool:
    return bool(_NUMBER.fullmatch(text)) and -(2 ** (_BITS - 1)) <= int(text) < 2 ** (_BITS - 1)


def _is_unsigned(text: str) -> bool:
    return bool(_NUMBER.fullmatch(text)) and 0 <= int(text) < 2**_BITS


def _is_address(text: str) -> bool:
    try:
        return str(IPv4Address(text)) == text
    except ValueError:
        return False


_TYPES: Final[Mapping[str, tuple[str, str, Callable[[str], object]]]] = {
    "text": ("OctetString", "a text", lambda _: True),
    "hex": ("OctetString", "octets, two small hexadecimal digits each", _HEX.fullmatch),
    "integer": ("Integer32", "a whole number of 32 bits", _is_integer),
    "unsigned": ("Unsigned32", "a whole number of 32 bits, not negative", _is_unsigned),
    "address": ("IpAddress", "an IPv4 address", _is_address),
    "oid": ("ObjectIdentifier", "an object identifier", _is_oid),
}
"""How values are sent, what they are, and whether a text is one."""
_STATUS_OF: Final = {Action.PROVISION: ACTIVE, Action.SUSPEND: SUSPENDED, Action.RESUME: ACTIVE}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the agent: its OID and what its values are."""

    oid: str
    type: str = "integer"

    def at(self, index: Index) -> str:
        """Return the OID of the object in a row."""
        return ".".join((self.oid, *(str(number) for number in index)))

    def wire(self, text: str) -> Any:
        """Return the value as it is sent. Raises ``ValueError`` with what it should have been."""
        from pysnmp.proto import rfc1902

        name, meaning, check = _TYPES[self.type]
        if not check(text):
            raise ValueError(meaning)
        if self.type == "hex":
            return rfc1902.OctetString(hexValue=text)
        return getattr(rfc1902, name)(text.encode() if self.type == "text" else text)

    def text(self, value: Any) -> str:
        """Return a value that came as a text."""
        if self.type in ("text", "hex"):
            octets = bytes(value)
            return octets.hex() if self.type == "hex" else octets.decode(errors="replace")
        return str(value.prettyPrint())


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of an SNMP element."""

    version: Literal["2c", "3"] = "3"
    user: str = ""
    """Of version 3; its credentials are two lines: the passphrases of authentication and of privacy."""
    authentication: Literal["sha", "sha224", "sha256", "sha384", "sha512"] = "sha256"
    privacy: Literal["aes128", "aes192", "aes256"] = "aes128"
    index: Literal["number", "text", "implied", "found"] = "number"
    """The target is the index itself, its octets behind their count, its octets alone, or a name in ``find``."""
    find: str = ""
    """The column that has the targets' names, such as ifName."""
    row: str = ""
    taken: str = ""
    attribute: dict[str, str]
    """OID and type by the name of the attribute."""
    fixed: dict[str, str] = {}
    """Type and value by OID: what a new row gets beside its attributes."""
    status: Status | None = None

    def checked(self) -> Settings:
        """Return the settings. Raises ``Invalid`` (``activation.element``)."""
        if (self.version == "3") != bool(self.user):
            raise unusable("user", "version 3 has a user, version 2c has none")
        if bool(self.row) == bool(self.taken):
            raise unusable("row", "either row or taken says whether a target is there")
        if self.taken and self.taken not in self.attribute:
            raise unusable("taken", "it is no attribute")
        if (self.index == "found") != bool(self.find):
            raise unusable("find", "index found needs it, and nothing else does")
        status = {"status.at": self.status.at} if self.status else {}
        oids = {"row": self.row, "find": self.find, **status, **{f"fixed.{oid}": oid for oid in self.fixed}}
        for field, oid in oids.items():
            if oid and not _is_oid(oid):
                raise unusable(field, "it is no object identifier")
        for name, text in self.attribute.items():
            oid, _, kind = text.partition(" ")
            if not _is_oid(oid) or (kind or "text") not in _TYPES:
                raise unusable(f"attribute.{name}", "it is no object identifier and type")
        for oid, text in self.fixed.items():
            kind, _, value = text.partition(" ")
            try:
                Column(oid, kind).wire(value)
            except (KeyError, ValueError):
                raise unusable(f"fixed.{oid}", "it is no type and value") from None
        return self

    def column(self, attribute: str) -> Column:
        """Return where an attribute lies."""
        oid, _, kind = self.attribute[attribute].partition(" ")
        return Column(oid, kind or "text")

    @property
    def presence(self) -> Column:
        """Return the column that says whether a target is there."""
        return Column(self.row) if self.row else self.column(self.taken)

    def unknown(self, operation: Operation) -> str:
        """Return why the operation cannot be written into these columns, or ""."""
        if more := sorted(operation.attributes.keys() - self.attribute.keys()):
            return "no column is named for " + ", ".join(more)
        if self.status is None and operation.action in (Action.SUSPEND, Action.RESUME):
            return "no column is named for the status"
        if self.taken and operation.action is Action.PROVISION and not operation.attributes.get(self.taken):
            return f"{self.taken} says that the target is taken, and may not be empty"
        return ""

    def objects(self, operation: Operation, index: Index, *, there: bool) -> list[tuple[str, Any]]:
        """Return what is set, all in one request. Raises ``ValueError`` with what is wrong, without the value."""
        if operation.action is Action.TERMINATE:
            return self._ended(index)
        found: dict[str, Any] = {}
        if operation.action is Action.PROVISION:
            for oid, text in self.fixed.items():
                kind, _, value = text.partition(" ")
                found[Column(oid, kind).at(index)] = Column(oid, kind).wire(value)
        for name, value in operation.attributes.items():
            try:
                found[self.column(name).at(index)] = self.column(name).wire(value)
            except ValueError as error:
                raise ValueError(f"{name} must be {error}") from None
        status = _STATUS_OF.get(operation.action)
        if self.status is not None and status is not None:
            column = Column(self.status.at)
            found[column.at(index)] = column.wire(self.status.word(status))
        if self.row and not there:
            found[self.presence.at(index)] = self.presence.wire(CREATE)
        return list(found.items())

    def _ended(self, index: Index) -> list[tuple[str, Any]]:
        if self.row:
            return [(self.presence.at(index), self.presence.wire(DESTROY))]
        found = [(self.presence.at(index), self.presence.wire(""))]
        if self.status is not None:
            column = Column(self.status.at)
            found.append((column.at(index), column.wire(self.status.suspended)))
        return found

    def asked(self, index: Index) -> list[str]:
        """Return the OIDs that show a target."""
        status = [Column(self.status.at)] if self.status else []
        columns = [self.presence, *status, *(self.column(name) for name in self.attribute)]
        return list(dict.fromkeys(column.at(index) for column in columns))

    def shown(self, index: Index, values: Mapping[str, Any]) -> dict[str, str] | None:
        """Return what the values say of a target; None: it is not there."""
        if not self.has(values.get(self.presence.at(index))):
            return None
        found = {}
        for name in self.attribute:
            value = values.get(self.column(name).at(index))
            if value is not None:
                found[name] = self.column(name).text(value)
        word = None
        if self.status is not None:
            value = values.get(Column(self.status.at).at(index))
            word = None if value is None else Column(self.status.at).text(value)
        return {**found, STATUS: ACTIVE if self.status is None else self.status.shown(word)}

    def has(self, value: Any) -> bool:
        """Return whether the presence column says that a target is there."""
        return value is not None and (bool(self.row) or bool(self.presence.text(value)))

    def index_of(self, target: str) -> Index | None:
        """Return the index of a target, None where it can have none."""
        if self.index == "number":
            return (int(target),) if _ROW.fullmatch(target) else None
        octets = tuple(target.encode())
        return octets if self.index == "implied" else (len(octets), *octets)

    def target_of(self, index: Sequence[int]) -> str:
        """Return the target of an index."""
        if self.index == "number":
            return ".".join(str(number) for number in index)
        octets = index if self.index == "implied" else index[1:]
        return bytes(number & 255 for number in octets).decode(errors="replace")


def same(there: Any, value: Any) -> bool:
    """Return whether an object has the value already: many columns of an active row refuse even that."""
    return there is not None and bool(there.prettyPrint() == value.prettyPrint())
