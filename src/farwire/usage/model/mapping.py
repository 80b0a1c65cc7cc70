"""From a row to what it means: ``Fragment``, ``Filtered`` or ``Bad``. Compiled once per profile and header. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from farwire.kernel.errors import FarwireError, Invalid
from farwire.kernel.ids import TenantId
from farwire.kernel.money import currency
from farwire.usage.model.facts import Bad, Filtered, Fragment, Role
from farwire.usage.model.profile import Format, Profile, Roles, used_columns
from farwire.usage.model.rows import Values, row_parser, shown
from farwire.usage.model.values import (
    Unreadable,
    bounded,
    charge_reader,
    number_reader,
    phone_reader,
    quantity_reader,
    time_reader,
)

Outcome = Fragment | Filtered | Bad

_SECOND: Final = timedelta(seconds=1)
_GIGAWORD: Final = 2**32
_MAX_NAME: Final = 128
_KEY = Callable[[Values], str]


def raw_identity(tenant_id: TenantId, source: str, raw: bytes) -> bytes:
    """Return the identity of a row that is known by its bytes alone: a filtered or a bad one."""
    return _digest(tenant_id, b"raw", source, raw)


def _digest(tenant_id: TenantId, what: bytes, source: str, value: bytes) -> bytes:
    """Return 16 bytes. Keyed by the tenant, so that nobody can compare the subscribers of two tenants."""
    return hashlib.blake2b(
        source.encode() + b"\x1e" + value, digest_size=16, key=tenant_id.bytes, person=what
    ).digest()


@dataclass(frozen=True, slots=True)
class Mapper:
    """A compiled profile. ``map`` is total: whatever the bytes, it answers and never raises."""

    profile: Profile
    tenant_id: TenantId
    map: Callable[[bytes], Outcome]

    def raw_identity(self, raw: bytes) -> bytes:
        """Return the identity of ``raw`` where its columns give none."""
        return raw_identity(self.tenant_id, self.profile.source_name, raw)


def mapper(profile: Profile, tenant_id: TenantId, header: Sequence[str] = ()) -> Mapper:
    """Return the compiled ``profile`` for rows of ``tenant_id``.

    Raises ``Invalid`` (``usage.columns_missing``) where the file's ``header`` lacks columns that the profile uses.
    """
    if profile.format is Format.CSV and not profile.csv.columns:
        missing = [name for name in used_columns(profile) if name not in header]
        if missing:
            raise Invalid(
                f"the file has no column {', '.join(missing[:10])}",
                code="usage.columns_missing",
                field="columns",
                value=", ".join(header)[:200],
                fix="choose another profile, or name the columns as the file does",
            )
    parse = row_parser(profile, header)
    mapping = _Mapping(profile, tenant_id)

    def map_row(raw: bytes) -> Outcome:
        values = parse(raw)
        return values if isinstance(values, Bad) else mapping.outcome(values)

    return Mapper(profile, tenant_id, map_row)


class _Mapping:
    """The readers of one profile, bound to the positions of its columns."""

    def __init__(self, profile: Profile, tenant_id: TenantId) -> None:
        self._index = {name: position for position, name in enumerate(used_columns(profile))}
        self._profile = profile
        self._tenant = tenant_id
        number = number_reader(profile.number)
        self._time = time_reader(profile.time)
        self._quantity_of = quantity_reader(profile.quantity.unit, number)
        self._seconds_of = quantity_reader("s", number)
        self._price_of = charge_reader(number)
        self._phone = phone_reader(profile.phone) if profile.phone else None
        self._filters = [
            (
                self._index[f.column],
                frozenset(f.values or f.except_values),
                bool(f.values),
                Filtered(f.reason),
            )
            for f in profile.filter
        ]
        self._role_at = self._index[profile.roles.column] if profile.roles else -1
        self._roles = _role_names(profile.roles) if profile.roles else {}
        self._started_at = self._index[profile.started]
        self._caller_at = self._at(profile.caller)
        self._called_at = self._at(profile.called)
        self._elapsed_at = self._at(profile.elapsed)
        self._network_at = self._at(profile.visited_network)
        self._group_at = self._at(profile.rating_group)
        self._ended_at = self._at(profile.quantity.ended)
        self._charge_at = self._at(profile.charge.column if profile.charge else "")
        self._amounts_at = [self._index[name] for name in profile.quantity.columns]
        self._gigawords_at = [self._index[name] for name in profile.quantity.gigawords]
        self._identity = self._joined(profile.row_identity)
        self._usage_key = self._joined(
            profile.session.key if profile.session else profile.usage_identity or profile.row_identity
        )
        needs_start = profile.session is not None and profile.session.started == "start"
        self._anonymous = {Role.STOP, Role.INTERIM} if needs_start else set()

    def _at(self, column: str) -> int:
        return self._index[column] if column else -1

    def _joined(self, names: Sequence[str]) -> _KEY:
        """Return the function that joins columns into one key; ``a|b`` is an unordered pair."""
        parts = [[self._index[name] for name in key.split("|")] for key in names]
        if all(len(part) == 1 for part in parts):
            positions = [part[0] for part in parts]
            return lambda values: "\x1f".join([values[at] for at in positions])
        return lambda values: "\x1f".join(["\x1f".join(sorted(values[at] for at in part)) for part in parts])

    def _filtered(self, values: Values) -> Filtered | None:
        for at, named, inside, filtered in self._filters:
            if (values[at] in named) is inside:
                return filtered
        return None

    def outcome(self, values: Values) -> Outcome:
        if (filtered := self._filtered(values)) is not None:
            return filtered
        field, at = self._profile.roles.column if self._profile.roles else "", self._role_at
        try:
            role = Role.SINGLE if at < 0 else self._role(values[at])
            field, at = self._profile.started, self._started_at
            started = self._time(_present(values[at]))
            field, at = "caller", self._caller_at
            caller = "" if at < 0 else self._name(values[at], normalise=self._profile.normalise_caller)
            if not caller and role not in self._anonymous:
                return Bad("value_missing", self._profile.caller or "caller")
            field, at = "called", self._called_at
            called = self._profile.called_value if at < 0 else self._name(values[at], normalise=True)
            field, at = "quantity", self._amounts_at[0] if self._amounts_at else self._ended_at
            quantity = self._quantity(role, values, started)
            field, at = "elapsed", self._elapsed_at
            elapsed = None if at < 0 or not values[at] else self._seconds_of(values[at])
            field, at = "rating_group", self._group_at
            group = None if at < 0 or not values[at] else _group(values[at])
            field, at = "visited_network", self._network_at
            network = "" if at < 0 else self._name(values[at], normalise=False)
            field, at = "charge", self._charge_at
            charge, charged_in = self._charge(values)
        except Unreadable as unreadable:
            return Bad(unreadable.reason, field, shown(values[at]) if at >= 0 else "")
        source, tenant = self._profile.source_name, self._tenant
        return Fragment(
            identity=_digest(tenant, b"row", source, self._identity(values).encode("utf-8", "surrogatepass")),
            usage=_digest(tenant, b"usage", source, self._usage_key(values).encode("utf-8", "surrogatepass")),
            role=role,
            at=started,
            caller=caller,
            called=called,
            quantity=quantity,
            elapsed_s=elapsed,
            charge_nano=charge,
            charge_currency=charged_in,
            direction=self._profile.direction,
            visited_network=network,
            rating_group=group,
        )

    def _role(self, text: str) -> Role:
        role = self._roles.get(text)
        if role is None:
            raise Unreadable("role_unknown" if text else "value_missing")
        return role

    def _name(self, text: str, *, normalise: bool) -> str:
        """Return an identifier: bounded, printable, a telephone number in E.164 where the profile asks."""
        text = text.strip()
        if len(text) > _MAX_NAME:
            raise Unreadable("name_too_long")
        if not text.isprintable():
            raise Unreadable("name_unprintable")
        return self._phone(text) if normalise and self._phone is not None else text

    def _quantity(self, role: Role, values: Values, started: datetime) -> int | None:
        amount = self._profile.quantity
        if amount.each:
            return amount.each
        if self._ended_at >= 0:
            ended = self._time(_present(values[self._ended_at]))
            if ended < started:
                raise Unreadable("ended_before_started")
            return -((started - ended) // _SECOND)
        texts = [values[at] for at in self._amounts_at]
        if not any(texts):
            if role is Role.START or not self._amounts_at:
                return None
            if amount.missing == "zero" and role is not Role.SINGLE:
                return 0
            raise Unreadable("value_missing")
        total = sum([self._quantity_of(text) for text in texts if text])
        for at in self._gigawords_at:
            if values[at]:
                total += self._quantity_of(values[at]) * _GIGAWORD
        return bounded(total)

    def _charge(self, values: Values) -> tuple[int | None, str]:
        charge = self._profile.charge
        if charge is None or not values[self._charge_at]:
            return None, ""
        nano = self._price_of(values[self._charge_at])
        if charge.currency:
            return nano, charge.currency
        code = values[self._index[charge.currency_column]]
        try:
            return nano, currency(code).code
        except FarwireError:
            raise Unreadable("currency_unknown") from None


def _role_names(roles: Roles) -> dict[str, Role]:
    return {
        **dict.fromkeys(roles.start, Role.START),
        **dict.fromkeys(roles.interim, Role.INTERIM),
        **dict.fromkeys(roles.stop, Role.STOP),
    }


def _present(text: str) -> str:
    if not text:
        raise Unreadable("value_missing")
    return text


def _group(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 10 or int(text) > 2**32 - 1:
        raise Unreadable("rating_group_malformed")
    return int(text)
