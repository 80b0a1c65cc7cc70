"""Find, read and check country packs. One pack is one TOML file; only the file that is asked for is read."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Final, NoReturn

import msgspec

from farwire.base.config import Settings, load_settings
from farwire.country.model import CountryPack
from farwire.country.model.checks import pack_problems
from farwire.kernel.errors import Invalid, NotFound

_PACKS: Final = Path(__file__).with_name("packs")
_MAX_OCTETS: Final = 1_000_000


class CountryUnknown(NotFound):
    """No pack has this code."""

    default_code = "country.unknown"


class PackInvalid(Invalid):
    """A pack file cannot be used. ``field`` is "file: path.of.field"."""

    default_code = "country.pack_invalid"


class HolidaysUnknown(NotFound):
    """Nobody here knows the public holidays of the country or region."""

    default_code = "country.holidays_unknown"


def _refuse_float(text: str) -> NoReturn:
    raise PackInvalid(
        f"{text} is a floating-point number",
        value=text,
        fix=f'write it as text, "{text}", so that it stays exact',
    )


def read_pack(path: Path) -> CountryPack:
    """Return the pack in the file ``path`` after all checks.

    Raises ``PackInvalid`` with the file, the field, its value and how to mend it (the first problem found).
    """
    pack = _decode(path)
    for problem in _content_problems(path, pack):
        raise problem
    return pack


def pack_file_problems(path: Path) -> tuple[PackInvalid, ...]:
    """Return everything that is wrong with the pack file ``path``; empty if it may be used."""
    try:
        pack = _decode(path)
    except PackInvalid as error:
        return (error,)
    return _content_problems(path, pack)


def _content_problems(path: Path, pack: CountryPack) -> tuple[PackInvalid, ...]:
    found = [
        PackInvalid(p.message, code=p.code, field=f"{path.name}: {p.field}", value=p.value, fix=p.fix)
        for p in pack_problems(pack)
    ]
    if path.stem.upper() != pack.code:
        found.append(
            PackInvalid(
                "the file is named for another country",
                field=f"{path.name}: code",
                value=pack.code,
                fix=f"name it {pack.code.lower()}.toml",
            )
        )
    return tuple(found)


def _decode(path: Path) -> CountryPack:
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_OCTETS).decode("utf-8")
        raw = tomllib.loads(text, parse_float=_refuse_float)
        return msgspec.convert(raw, CountryPack)
    except FileNotFoundError:
        raise PackInvalid(
            "there is no such file", field=str(path), fix="give the path of a .toml file"
        ) from None
    except PackInvalid as error:
        raise PackInvalid(error.message, field=path.name, value=error.value, fix=error.fix) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise PackInvalid(
            f"the file is not TOML in UTF-8: {error}", field=path.name, fix="mend the line that it names"
        ) from None
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at ")
        raise PackInvalid(
            what,
            field=f"{path.name}: {where.strip('`').removeprefix('$').lstrip('.') or 'top level'}",
            fix="see docs/country-packs.md for the fields of a pack",
        ) from None


@lru_cache(maxsize=256)
def _read_once(path: Path, changed_ns: int) -> CountryPack:
    """Read a file once per version of it; ``changed_ns`` is only part of the key."""
    del changed_ns
    return read_pack(path)


def _find(code: str, folders: Sequence[Path]) -> Path | None:
    for folder in (*reversed(folders), _PACKS):
        path = folder / f"{code.lower()}.toml"
        if path.is_file():
            return path
    return None


def pack_folders(settings: Settings) -> tuple[Path, ...]:
    """Return where an installation keeps packs of its own: the folder ``country-packs`` of its data folder."""
    return (settings.data_dir / "country-packs",)


@lru_cache(maxsize=1)
def _own_folders() -> tuple[Path, ...]:
    """Return the folders of this process's settings.

    Read here and not handed in: a process that forgot to would bill with the wrong taxes in silence.
    """
    return pack_folders(load_settings())


def load_pack(code: str, *, folders: Sequence[Path] | None = None) -> CountryPack:
    """Return the pack of the country ``code`` (ISO 3166-1 alpha-2, any case).

    A pack in ``folders`` (default: the operator's own, ``pack_folders``; the last wins) replaces the shipped one as a
    whole. Cheap after the first call; a changed file is read again. Raises ``CountryUnknown``, ``PackInvalid``.
    """
    folders = _own_folders() if folders is None else folders
    plain = code.strip()
    path = _find(plain, folders) if plain.isascii() and plain.isalpha() else None
    if path is None:
        raise CountryUnknown(
            f"there is no pack for the country {code!r}",
            field="country",
            value=code,
            fix=f"use one of {', '.join(pack_codes(folders=folders))}, or write {code.lower()[:2]}.toml in your folder",
        )
    return _read_once(path, path.stat().st_mtime_ns)


def pack_codes(*, folders: Sequence[Path] | None = None) -> tuple[str, ...]:
    """Return the codes of all packs, sorted, without reading them. ``folders`` as in ``load_pack``."""
    folders = _own_folders() if folders is None else folders
    return tuple(
        sorted({path.stem.upper() for folder in (_PACKS, *folders) for path in folder.glob("*.toml")})
    )


def public_holidays(
    pack: CountryPack, years: Iterable[int], subdivision: str | None = None
) -> Mapping[date, str]:
    """Return the public holidays of ``years`` with their names, in date order.

    ``subdivision`` is the part of ISO 3166-2 after the country ("BE" for Berlin); without one only the days of the
    whole country count. Names are in the country's language, on any machine. Loads the package ``holidays`` on first
    use. Raises ``HolidaysUnknown``.
    """
    import holidays

    try:
        code = pack.holidays.provider_code or pack.code
        # Without a language the package asks the machine's locale, and two workers would name a day differently.
        language = holidays.country_holidays(code).default_language
        found = holidays.country_holidays(code, subdiv=subdivision, years=tuple(years), language=language)
    except NotImplementedError:
        raise HolidaysUnknown(
            f"the public holidays of {pack.code} {subdivision or ''} are unknown".replace("  ", " "),
            field="subdivision" if subdivision else "country",
            value=subdivision or pack.code,
            fix="name a region of the country, or give the tariff its own list of days",
        ) from None
    return dict(sorted(found.items()))
