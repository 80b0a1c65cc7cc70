"""Values as files spell them: times, quantities, amounts, telephone numbers. Compiled once per profile. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Final
from zoneinfo import ZoneInfo

from farwire.kernel.errors import FarwireError
from farwire.kernel.money import nano
from farwire.kernel.time import zone
from farwire.usage.model.profile import Number, Overlap, Phone, Time

INT64: Final = 2**63 - 1
EARLIEST: Final = datetime(1990, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2100, 1, 1, tzinfo=UTC)
"""Times outside [EARLIEST, LATEST) are a broken clock or a wrong format."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), start=1
    )
}
_PATTERNS: Final = {
    "Y": r"(?P<Y>[0-9]{4})",
    "m": r"(?P<m>[0-9]{1,2})",
    "d": r"(?P<d>[0-9]{1,2})",
    "H": r"(?P<H>[0-9]{1,2})",
    "M": r"(?P<M>[0-9]{2})",
    "S": r"(?P<S>[0-9]{2})",
    "f": r"(?P<f>[0-9]{1,6})",
    "b": r"(?P<b>[A-Za-z]{3})",
    "z": r"(?P<z>Z|[+-][0-9]{2}:?[0-9]{2})",
    "Z": r"(?P<Z>UTC|GMT|Z)",
}
_EPOCH_UNITS: Final = {"epoch_s": 1, "epoch_ms": 1_000, "epoch_us": 1_000_000}
_CACHE_HOURS: Final = 10_000


class Unreadable(Exception):
    """A value that cannot be understood. ``reason`` is the stable code under which the row is suspended."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def time_reader(spec: Time) -> Callable[[str], datetime]:
    """Return the function from a written time to UTC. It raises ``Unreadable``.

    Reasons: ``time_malformed``, ``time_impossible``, ``time_in_gap`` (skipped when clocks go forward),
    ``time_ambiguous`` (exists twice, unless the profile says which), ``time_zone_missing``, ``time_out_of_range``.
    """
    if spec.format in _EPOCH_UNITS:
        return _epoch_reader(_EPOCH_UNITS[spec.format])
    local = _LocalTime(zone(spec.zone) if spec.zone else None, spec.overlap)
    return _iso_reader(local) if spec.format == "iso" else _pattern_reader(spec.format, local)


def _epoch_reader(per_second: int) -> Callable[[str], datetime]:
    def read(text: str) -> datetime:
        whole, _, fraction = text.partition(".")
        if not (whole.isascii() and whole.isdigit()) or len(whole) > 20:
            raise Unreadable("time_malformed")
        if fraction and not (fraction.isascii() and fraction.isdigit()):
            raise Unreadable("time_malformed")
        try:
            at = _EPOCH + timedelta(microseconds=int(whole) * (1_000_000 // per_second))
        except OverflowError:
            raise Unreadable("time_out_of_range") from None
        return _in_range(at)

    return read


def _iso_reader(local: _LocalTime) -> Callable[[str], datetime]:
    def read(text: str) -> datetime:
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            raise Unreadable("time_malformed") from None
        if at.tzinfo is None:
            return _in_range(local.utc(at))
        return _in_range(_shifted(at))

    return read


def _pattern_reader(form: str, local: _LocalTime) -> Callable[[str], datetime]:
    parts = re.split(r"%(.)", form)
    pattern = "".join(_PATTERNS[part] if index % 2 else re.escape(part) for index, part in enumerate(parts))
    match = re.compile(pattern).fullmatch
    month_named, has_second, has_fraction = "%b" in form, "%S" in form, "%f" in form
    zoned = "%z" in form or "%Z" in form

    def read(text: str) -> datetime:
        found = match(text)
        if found is None:
            raise Unreadable("time_malformed")
        month = _MONTHS.get(found["b"].lower(), 0) if month_named else int(found["m"])
        try:
            at = datetime(  # noqa: DTZ001 - a wall clock; its zone follows
                int(found["Y"]),
                month,
                int(found["d"]),
                int(found["H"]),
                int(found["M"]),
                int(found["S"]) if has_second else 0,
                int(found["f"].ljust(6, "0")) if has_fraction else 0,
            )
        except ValueError:
            raise Unreadable("time_impossible") from None
        if zoned:
            return _in_range(_shifted(at.replace(tzinfo=_offset(found.groupdict().get("z")))))
        return _in_range(local.utc(at))

    return read


def _offset(text: str | None) -> timezone:
    if text is None or text == "Z":
        return UTC
    digits = text[1:].replace(":", "")
    shift = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    if shift >= timedelta(hours=24):
        raise Unreadable("time_impossible")
    return timezone(-shift if text[0] == "-" else shift)


def _shifted(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise Unreadable("time_out_of_range") from None


def _in_range(at: datetime) -> datetime:
    if not EARLIEST <= at < LATEST:
        raise Unreadable("time_out_of_range")
    return at


class _LocalTime:
    """Naive local times to UTC, with the shift of each hour remembered (zone look-ups are the cost of a row)."""

    def __init__(self, tz: ZoneInfo | None, overlap: Overlap) -> None:
        self._tz = tz
        self._overlap = overlap
        self._shifts: dict[tuple[int, int, int, int, int], timedelta | str] = {}

    def utc(self, naive: datetime) -> datetime:
        if self._tz is None:
            raise Unreadable("time_zone_missing")
        key = (naive.year, naive.month, naive.day, naive.hour, naive.minute // 15)
        shift = self._shifts.get(key)
        if shift is None:
            if len(self._shifts) >= _CACHE_HOURS:
                self._shifts.clear()
            shift = self._shifts[key] = self._shift(naive)
        if isinstance(shift, str):
            raise Unreadable(shift)
        try:
            return naive.replace(tzinfo=UTC) - shift
        except OverflowError:
            raise Unreadable("time_out_of_range") from None

    def _shift(self, naive: datetime) -> timedelta | str:
        """Return the offset from UTC, or the reason why there is none.

        Zones change at quarters of an hour since 1972.
        """
        first = naive.replace(tzinfo=self._tz, fold=0).utcoffset() or timedelta(0)
        second = naive.replace(tzinfo=self._tz, fold=1).utcoffset() or timedelta(0)
        if first == second:
            return first
        if first < second:
            return "time_in_gap"
        if self._overlap is Overlap.SUSPEND:
            return "time_ambiguous"
        return first if self._overlap is Overlap.FIRST else second


def number_reader(spec: Number) -> Callable[[str], str]:
    """Return the function from a written number to plain digits with at most one ".". It raises ``Unreadable``."""
    decimal, thousands = re.escape(spec.decimal), re.escape(spec.thousands)
    grouped = rf"[0-9]{{1,3}}(?:{thousands}[0-9]{{3}})+|" if thousands else ""
    match = re.compile(rf"[+-]?(?:{grouped}[0-9]{{1,40}})(?:{decimal}[0-9]{{0,40}})?").fullmatch
    mark, group = spec.decimal, spec.thousands

    def read(text: str) -> str:
        if text.isdigit() and text.isascii() and len(text) <= 40:
            return text
        if match(text) is None:
            raise Unreadable("number_malformed")
        plain = text.replace(group, "") if group else text
        return plain.replace(mark, ".") if mark != "." else plain

    return read


_SCALES: Final[dict[str, tuple[int, int]]] = {
    "s": (1, 1),
    "ms": (1, 1_000),
    "us": (1, 1_000_000),
    "min": (60, 1),
    "octet": (1, 1),
    "kB": (10**3, 1),
    "MB": (10**6, 1),
    "GB": (10**9, 1),
    "KiB": (2**10, 1),
    "MiB": (2**20, 1),
    "GiB": (2**30, 1),
    "1": (1, 1),
}
_HMS: Final = re.compile(r"([0-9]{1,5}):([0-5][0-9]):([0-5][0-9])").fullmatch


def quantity_reader(unit: str, number: Callable[[str], str]) -> Callable[[str], int]:
    """Return the function from a written quantity to whole base units, parts rounded up. It raises ``Unreadable``.

    Reasons: ``quantity_malformed``, ``quantity_negative``, ``quantity_too_large`` (over int64).
    """
    up, down = _SCALES.get(unit, (1, 1))

    def read(text: str) -> int:
        if up == down and text.isascii() and text.isdigit() and len(text) < 19:
            return int(text)
        try:
            plain = number(text)
        except Unreadable:
            raise Unreadable("quantity_malformed") from None
        sign, digits = (-1, plain[1:]) if plain[0] == "-" else (1, plain.lstrip("+"))
        whole, _, part = digits.partition(".")
        scaled = int(whole + part) * up
        if sign < 0 and scaled:
            raise Unreadable("quantity_negative")
        return bounded(-(-scaled // (down * 10 ** len(part))))

    def read_hms(text: str) -> int:
        found = _HMS(text)
        if found is None:
            raise Unreadable("quantity_malformed")
        return int(found[1]) * 3600 + int(found[2]) * 60 + int(found[3])

    return read_hms if unit == "hms" else read


def bounded(quantity: int) -> int:
    """Return ``quantity``. Raises ``Unreadable`` (``quantity_too_large``) over int64."""
    if quantity > INT64:
        raise Unreadable("quantity_too_large")
    return quantity


def charge_reader(number: Callable[[str], str]) -> Callable[[str], int]:
    """Return the function from a written price to nano-units, exact. It raises ``Unreadable``.

    Reasons: ``charge_malformed``, ``charge_negative``, ``charge_too_large``, ``charge_too_fine`` (parts below 10⁻⁹).
    """

    def read(text: str) -> int:
        try:
            plain = number(text)
        except Unreadable:
            raise Unreadable("charge_malformed") from None
        if plain[0] == "-" and plain.strip("-0."):
            raise Unreadable("charge_negative")
        try:
            return nano(plain.rstrip("."))
        except FarwireError as error:
            raise Unreadable(
                "charge_too_large" if error.code == "money.overflow" else "charge_too_fine"
            ) from None

    return read


def phone_reader(spec: Phone) -> Callable[[str], str]:
    """Return the function from a written telephone number to E.164 digits without "+".

    A number with neither the international nor the national prefix stays as it is: a short number, an extension, a
    name.
    """
    drop = str.maketrans("", "", spec.ignore)
    international = tuple(sorted(spec.international, key=len, reverse=True))

    def read(text: str) -> str:
        plain = text.translate(drop)
        if not plain.lstrip("+").isdigit():
            return text
        for prefix in international:
            if plain.startswith(prefix) and plain[len(prefix) :].isdigit():
                return plain[len(prefix) :]
        if spec.national and plain.startswith(spec.national) and plain.isdigit():
            return spec.country_code + plain[len(spec.national) :]
        return plain

    return read
