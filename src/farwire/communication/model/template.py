"""Templates: texts with named places, checked when they are published. Pure."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from farwire.communication.model.message import Channel
from farwire.kernel.errors import Invalid

MAX_SUBJECT_CHARACTERS: Final = 200
MAX_BODY_CHARACTERS: Final = 20_000
MAX_VALUE_CHARACTERS: Final = 2_000
MAX_VARIABLES: Final = 50
LAST_LANGUAGE: Final = "en"
"""Where no language fits, English is tried."""
_CODE: Final = re.compile(r"[a-z][a-z0-9_]{0,59}")
_VARIABLE: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8})*")


@dataclass(frozen=True, slots=True)
class TemplateKey:
    """Which text: what it says, in which language (BCP 47, lower case), for which channel."""

    code: str
    language: str
    channel: Channel


@dataclass(frozen=True, slots=True)
class Template:
    """One version of a text. ``variables`` are all that the sender gives; ``required`` those that the text must show.

    Version 0 comes with Farwire; a tenant's own versions start with 1. Places are written ``{name}``, a brace itself
    ``{{`` or ``}}``.
    """

    key: TemplateKey
    version: int
    subject: str
    body: str
    variables: frozenset[str]
    required: frozenset[str] = frozenset()
    published_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Rendered:
    """A text with its places filled."""

    subject: str
    body: str


def _problem(reason: str, message: str, field: str, value: object, fix: str) -> Invalid:
    return Invalid(message, code=f"communication.{reason}", field=field, value=value, fix=fix)


def places(text: str, *, field: str) -> tuple[str, ...]:
    """Return the names in ``text`` in their order. Raises ``Invalid`` (``communication.placeholder``)."""
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError as error:
        raise _problem(
            "placeholder",
            f"the braces of {field} do not match: {error}",
            field,
            text[:80],
            "write {{ for a brace",
        ) from None
    names = []
    for _, name, form, conversion in parts:
        if name is None:
            continue
        if form or conversion or not _VARIABLE.fullmatch(name):
            raise _problem(
                "placeholder",
                "a place is a plain name in braces",
                field,
                name[:80],
                "write {number}, for example",
            )
        names.append(name)
    return tuple(names)


def check_template(template: Template) -> Template:
    """Return ``template`` if it may be published.

    Raises ``Invalid``: ``communication.code``, ``communication.language``, ``communication.too_long``,
    ``communication.subject`` (an email without one, or one of several lines), ``communication.placeholder``,
    ``communication.variable_unknown`` for a place that the sender does not fill, ``communication.variable_missing`` for
    a required one that the text does not show.
    """
    key = template.key
    if not _CODE.fullmatch(key.code):
        raise _problem("code", "a code is a lower-case name", "code", key.code, "e.g. bill_issued")
    if not _LANGUAGE.fullmatch(key.language) or len(key.language) > 35:
        raise _problem("language", "not a language tag", "language", key.language, "use BCP 47, e.g. de")
    for field, text, limit in (
        ("subject", template.subject, MAX_SUBJECT_CHARACTERS),
        ("body", template.body, MAX_BODY_CHARACTERS),
    ):
        if len(text) > limit or "\x00" in text:
            raise _problem(
                "too_long", f"{field} has at most {limit} characters", field, len(text), "shorten it"
            )
    if not template.body.strip():
        raise _problem("too_short", "a message says something", "body", template.body, "write a text")
    if not template.subject.isprintable() or (key.channel is Channel.EMAIL and not template.subject.strip()):
        raise _problem(
            "subject", "an email has a subject of one line", "subject", template.subject, "write one"
        )
    _check_places(template)
    return template


def _check_places(template: Template) -> None:
    declared = template.variables
    for name in sorted(declared | template.required):
        if not _VARIABLE.fullmatch(name):
            raise _problem("placeholder", "a variable is a lower-case name", "variables", name, "e.g. number")
    if len(declared) > MAX_VARIABLES or not template.required <= declared:
        raise _problem(
            "variables",
            f"at most {MAX_VARIABLES} variables, the required ones among them",
            "variables",
            len(declared),
            "declare every required variable",
        )
    used = [*places(template.subject, field="subject"), *places(template.body, field="body")]
    for name in used:
        if name not in declared:
            raise _problem(
                "variable_unknown",
                f"nobody fills {{{name}}}",
                "body",
                name,
                f"use {', '.join(sorted(declared)) or 'no variable'}",
            )
    for name in sorted(template.required - set(used)):
        raise _problem(
            "variable_missing",
            f"the text does not say {{{name}}}",
            "body",
            name,
            "it must, in every language",
        )


def render(template: Template, values: Mapping[str, str]) -> Rendered:
    """Return the text with its places filled. Values are text and stay text: braces in them mean nothing.

    Raises ``Invalid``: ``communication.variable_missing``, ``communication.variable_unknown``,
    ``communication.too_long``.
    """
    for name in sorted(template.variables - values.keys()):
        raise _problem("variable_missing", f"{name} is not given", "variables", name, "give it")
    for name in sorted(values.keys() - template.variables):
        raise _problem("variable_unknown", f"the template has no {name}", "variables", name, "leave it out")
    for name, value in values.items():
        if len(value) > MAX_VALUE_CHARACTERS:
            raise _problem("too_long", f"{name} is too long", "variables", len(value), "shorten it")
    clean = {name: _shown(value) for name, value in values.items()}
    # A subject is a header: what is filled in must not begin another one.
    flat = {name: " ".join(value.split()) for name, value in clean.items()}
    return Rendered(_filled(template.subject, flat), _filled(template.body, clean))


def _shown(value: str) -> str:
    """Return ``value`` as a message shows it. Spaces of print become plain ones: they would double a text message."""
    plain = value.replace("\r\n", "\n").replace("\u00a0", " ").replace("\u202f", " ")
    return "".join(c for c in plain if c == "\n" or c.isprintable())


def _filled(text: str, values: Mapping[str, str]) -> str:
    return "".join(
        literal + ("" if name is None else values[name])
        for literal, name, _, _ in string.Formatter().parse(text)
    )


def languages(wanted: str, fallbacks: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the languages to try, best first: ``de-AT`` gives de-at, de, then the fallbacks, then English."""
    tried: dict[str, None] = {}
    for tag in (wanted, *fallbacks, LAST_LANGUAGE):
        parts = tag.lower().replace("_", "-").split("-")
        for length in range(len(parts), 0, -1):
            tried["-".join(parts[:length])] = None
    tried.pop("", None)
    return tuple(tried)
