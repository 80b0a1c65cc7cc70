"""Import profiles: how one source's files are read, as data. Schema, checks and digest. Pure."""

from __future__ import annotations

import hashlib
import re
from enum import StrEnum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from farwire.kernel.errors import FarwireError, Invalid
from farwire.kernel.money import currency
from farwire.kernel.time import zone
from farwire.rating.model import Direction, UsageKind

Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
Reason = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Column = Annotated[str, Meta(min_length=1, max_length=128)]
Encoding = Literal["utf-8", "ascii", "latin-1", "cp1252", "iso-8859-15", "cp437", "cp850", "koi8-r"]
"""Only encodings in which the byte 0A is always a line's end."""


class Format(StrEnum):
    """How a file is cut into rows, and a row into columns."""

    CSV = "csv"
    JSON = "json"
    """Objects one after another, in an array or not, on one line or many."""
    NDJSON = "ndjson"
    RADIUS_DETAIL = "radius_detail"


class Measure(StrEnum):
    """How the quantity of a session of several rows is found."""

    SPAN = "span"
    """Seconds from the start event to the stop event."""
    CUMULATIVE = "cumulative"
    """Each row reports the total so far: the greatest counts."""
    SUM = "sum"
    """Each row reports its own part: they add up."""


class Overlap(StrEnum):
    """What a local time means that exists twice, when clocks go back."""

    SUSPEND = "suspend"
    FIRST = "first"
    SECOND = "second"


class Csv(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Columns of a delimited file. ``columns`` names them by position; without it the first line does."""

    delimiter: Annotated[str, Meta(min_length=1, max_length=1)] = ","
    quote: Annotated[str, Meta(max_length=1)] = '"'
    columns: list[str] = []
    extra_columns: Literal["suspend", "ignore"] = "suspend"


class Time(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How times are written: ``iso``, ``epoch_s``, ``epoch_ms``, ``epoch_us``, or %-codes Y m d H M S b f z Z."""

    format: str = "iso"
    zone: str = ""
    """IANA zone of times that name none. Required unless the format names its zone or is an epoch."""
    overlap: Overlap = Overlap.SUSPEND


class Number(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How numbers are written."""

    decimal: Literal[".", ","] = "."
    thousands: Literal["", ".", ",", " ", "'"] = ""


class Filter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rows that are left out under ``reason``: ``column`` is in ``values``, or is not in ``except_values``."""

    reason: Reason
    column: Column
    values: list[str] = []
    except_values: list[str] = []


class Roles(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which values of ``column`` make a row a start, an interim report or a stop. Any other value is suspended."""

    column: Column
    start: list[str] = []
    interim: list[str] = []
    stop: list[str] = []


class Session(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the rows of one session find each other.

    A key part ``"a|b"`` is the unordered pair of two columns: a dialogue's two tags change places with the direction.
    """

    key: Annotated[list[Column], Meta(min_length=1)]
    measure: Measure
    started: Literal["start", "first", "elapsed"] = "start"
    """Start time: the start row's, the earliest row's, or the stop's time minus its elapsed seconds."""
    close_after_h: Annotated[int, Meta(ge=1, le=8784)] | None = None
    """A session without a stop closes this long after its last row, with what is known. Absent: it waits for ever."""
    tolerance_s: Annotated[int, Meta(ge=0, le=86400)] = 60
    """Rows of the same key later than this after the stop belong to another session and are suspended."""


class Phone(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How telephone numbers become E.164 digits without "+"."""

    international: list[str] = msgspec.field(default_factory=lambda: ["+", "00"])
    national: str = ""
    country_code: Annotated[str, Meta(pattern=r"^[0-9]{0,3}$")] = ""
    """Put before a number whose ``national`` prefix was taken off."""
    ignore: str = " -()./"


class Amount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the quantity stands: columns that add up (with their gigawords), or from ``started`` to ``ended``.

    Parts of a base unit round up, once per record.
    """

    columns: list[Column] = []
    gigawords: list[Column] = []
    """Columns, in the order of ``columns``, that count how often those passed 2³² (RFC 2869 §5.1)."""
    unit: Literal["s", "ms", "us", "min", "hms", "octet", "kB", "MB", "GB", "KiB", "MiB", "GiB", "1"] = "s"
    ended: str = ""
    each: Annotated[int, Meta(ge=0)] = 0
    """What every row counts as, where no column says it: 1 for messages."""
    missing: Literal["suspend", "zero"] = "suspend"


class Charge(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The price that the record itself carries. It is kept beside the usage; only a plan that says so uses it."""

    column: Column
    currency: str = ""
    currency_column: str = ""


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One import profile."""

    name: Name
    version: Annotated[int, Meta(ge=1)]
    format: Format
    kind: UsageKind
    started: Column
    """The column of the start (a whole usage) or of the event's own time (a part of one)."""
    row_identity: Annotated[list[Column], Meta(min_length=1)]
    """Columns that make two rows the same row. Leave out arrival stamps."""
    description: str = ""
    source: str = ""
    """What duplicates are looked for in: rows of the same source. Default: the profile's name."""
    encoding: Encoding = "utf-8"
    final_newline: Literal["optional", "required"] = "optional"
    """``required``: a last row without its line end was cut and is suspended."""
    caller: str = ""
    """The subscriber's identifier: telephone number, user name. May be empty only in rows of a session."""
    called: str = ""
    called_value: str = ""
    """A fixed destination, such as a service name, where no column has one."""
    normalise_caller: bool = True
    elapsed: str = ""
    """Seconds from the session's start to this row."""
    visited_network: str = ""
    rating_group: str = ""
    direction: Direction = Direction.ORIGINATING
    csv: Csv = Csv()
    time: Time = Time()
    number: Number = Number()
    quantity: Amount = Amount()
    phone: Phone | None = None
    charge: Charge | None = None
    filter: list[Filter] = []
    roles: Roles | None = None
    session: Session | None = None
    usage_identity: list[Column] = []
    """Columns that make two complete rows the same usage. Default: ``row_identity``."""

    def digest(self) -> bytes:
        """Return 32 bytes that change with anything in the profile except its description."""
        plain = msgspec.json.encode(msgspec.structs.replace(self, description=""), order="sorted")
        return hashlib.blake2b(plain, digest_size=32).digest()

    @property
    def source_name(self) -> str:
        """Return the name of the source within which rows are compared."""
        return self.source or self.name


def parse_profile(text: str | bytes, *, origin: str) -> Profile:
    """Return the profile that the TOML ``text`` from ``origin`` spells.

    Raises ``Invalid``: ``usage.profile_malformed`` (TOML or schema, with the path of the field) or
    ``usage.profile_contradictory``.
    """
    try:
        profile = msgspec.toml.decode(text, type=Profile)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid(
            f"the profile {origin} cannot be read: {error}",
            code="usage.profile_malformed",
            field="profile",
            value=origin,
            fix="compare with a profile that `farwire usage profiles --show NAME` prints",
        ) from None
    for problem in _problems(profile):
        raise Invalid(
            f"the profile {origin} contradicts itself: {problem}",
            code="usage.profile_contradictory",
            field="profile",
            value=profile.name,
        )
    return profile


_CODES = re.compile(r"%(.)")


def _problems(profile: Profile) -> list[str]:
    """Return what the schema alone cannot see."""
    return [
        message
        for wrong, message in (
            *_time_problems(profile),
            *_session_problems(profile),
            *_value_problems(profile),
        )
        if wrong
    ]


def _time_problems(profile: Profile) -> list[tuple[bool, str]]:
    form = profile.time.format
    epoch = form in ("epoch_s", "epoch_ms", "epoch_us")
    codes = _CODES.findall(form)
    named = epoch or bool({"z", "Z"} & set(codes))
    return [
        (not epoch and form != "iso" and not codes, f"time.format {form!r} has no %-codes"),
        (
            bool(set(codes) - set("YmdHMSbfzZ")),
            f"time.format {form!r} has codes other than Y m d H M S b f z Z",
        ),
        (len(codes) != len(set(codes)), f"time.format {form!r} repeats a code"),
        (bool(codes) and not {"Y", "d", "H", "M"} <= set(codes), "time.format needs %Y, %d, %H and %M"),
        (bool(codes) and not {"m", "b"} & set(codes), "time.format needs %m or %b"),
        (not named and form != "iso" and not profile.time.zone, "time.zone is missing"),
        (
            bool(profile.time.zone) and _raises_zone(profile.time.zone),
            f"time.zone {profile.time.zone!r} is unknown",
        ),
    ]


def _session_problems(profile: Profile) -> list[tuple[bool, str]]:
    session, roles = profile.session, profile.roles
    problems = [((session is None) != (roles is None), "[session] and [roles] go together")]
    if session is None or roles is None:
        return [*problems, (not profile.caller, "caller is missing")]
    named = [*roles.start, *roles.interim, *roles.stop]
    return [
        *problems,
        (len(named) != len(set(named)), "a value stands in two roles"),
        (
            not roles.stop and session.close_after_h is None,
            "no value is a stop, and no close_after_h closes the session",
        ),
        (
            session.measure is Measure.SPAN and not (roles.start and roles.stop),
            "measure span needs start and stop",
        ),
        (
            session.measure is Measure.SPAN and session.close_after_h is not None,
            "a span without a stop has no length",
        ),
        (
            session.measure is Measure.SPAN and session.started != "start",
            'measure span needs started = "start"',
        ),
        (session.started == "start" and not roles.start, 'started = "start" needs values for roles.start'),
        (
            session.started == "elapsed" and not profile.elapsed,
            'started = "elapsed" needs the column elapsed',
        ),
        (session.measure is not Measure.SPAN and not profile.quantity.columns, "quantity.columns is missing"),
    ]


def _value_problems(profile: Profile) -> list[tuple[bool, str]]:
    amount, charge = profile.quantity, profile.charge
    counted = bool(amount.columns) + bool(amount.ended) + bool(amount.each)
    positional = set(profile.csv.columns) if profile.format is Format.CSV and profile.csv.columns else None
    unknown = sorted(set(used_columns(profile)) - positional) if positional is not None else []
    return [
        (
            profile.session is None and counted != 1,
            "say one of quantity.columns, quantity.ended and quantity.each",
        ),
        (
            bool(amount.gigawords) and len(amount.gigawords) != len(amount.columns),
            "gigawords and columns differ in number",
        ),
        (bool(amount.gigawords) and amount.unit != "octet", "gigawords count octets"),
        (
            profile.number.decimal == profile.number.thousands,
            "number.decimal and number.thousands are the same",
        ),
        (
            charge is not None and bool(charge.currency) == bool(charge.currency_column),
            "say one of charge.currency and charge.currency_column",
        ),
        (
            charge is not None and bool(charge.currency) and _raises_currency(charge.currency),
            "charge.currency is unknown",
        ),
        (
            any(bool(f.values) == bool(f.except_values) for f in profile.filter),
            "a filter has either values or except_values",
        ),
        (profile.csv.delimiter == profile.csv.quote, "csv.delimiter and csv.quote are the same"),
        (bool(unknown), f"csv.columns does not name {', '.join(unknown)}"),
        (bool(profile.called) and bool(profile.called_value), "say either called or called_value"),
    ]


def used_columns(profile: Profile) -> tuple[str, ...]:
    """Return the columns that the profile reads, each once, in a fixed order."""
    amount, charge, session, roles = profile.quantity, profile.charge, profile.session, profile.roles
    names: list[str] = [
        profile.started,
        profile.caller,
        profile.called,
        profile.elapsed,
        profile.visited_network,
        profile.rating_group,
        *amount.columns,
        *amount.gigawords,
        amount.ended,
        *(f.column for f in profile.filter),
        *profile.row_identity,
        *profile.usage_identity,
    ]
    if charge is not None:
        names += [charge.column, charge.currency_column]
    if session is not None and roles is not None:
        names += [roles.column, *(part for key in session.key for part in key.split("|"))]
    return tuple(dict.fromkeys(name for name in names if name))


def _raises_zone(name: str) -> bool:
    try:
        zone(name)
    except FarwireError:
        return True
    return False


def _raises_currency(code: str) -> bool:
    try:
        currency(code)
    except FarwireError:
        return True
    return False
