"""What comes with Farwire: texts in English, German and French, and the quiet hours of countries. Data, read once."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import time
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

import msgspec

from farwire.communication.model import Channel, QuietHours, Template, TemplateKey, check_template

_FOLDER: Final = Path(__file__).parents[1]


class _Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    body: str
    subject: str = ""


class _TemplateFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of ``templates/``: one code in all its languages and channels."""

    code: str
    variables: tuple[str, ...]
    texts: Mapping[Channel, Mapping[str, _Text]]
    required: tuple[str, ...] = ()


class _Window(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    start: time
    end: time
    source: str


class _QuietFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    default: _Window
    countries: Mapping[str, _Window]


@lru_cache(maxsize=1)
def builtin_templates() -> Mapping[TemplateKey, Template]:
    """Return version 0 of every text that comes with Farwire."""
    found: dict[TemplateKey, Template] = {}
    for path in sorted((_FOLDER / "templates").glob("*.toml")):
        file = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), _TemplateFile)
        for channel, by_language in file.texts.items():
            for language, text in by_language.items():
                key = TemplateKey(file.code, language, channel)
                declared, required = frozenset(file.variables), frozenset(file.required)
                body = text.body.strip("\n")
                found[key] = check_template(Template(key, 0, text.subject, body, declared, required))
    return MappingProxyType(found)


@lru_cache(maxsize=1)
def _windows() -> Mapping[str, QuietHours]:
    text = (_FOLDER / "quiet_hours.toml").read_text(encoding="utf-8")
    file = msgspec.convert(tomllib.loads(text), _QuietFile)
    named = {"": file.default, **file.countries}
    return {code: QuietHours(window.start, window.end) for code, window in named.items()}


def quiet_hours_of(country: str) -> QuietHours:
    """Return the quiet hours of a country (ISO 3166-1), or those of everywhere else."""
    windows = _windows()
    return windows.get(country) or windows[""]
