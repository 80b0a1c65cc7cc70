"""Addresses in the form of a country: what is missing or malformed, and the lines of an envelope."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

from farwire.kernel.errors import Invalid

if TYPE_CHECKING:
    from farwire.country.model.pack import CountryPack

Address: TypeAlias = Mapping[str, str]
"""Field name of the country's form → text."""


def check_address(pack: CountryPack, address: Address) -> tuple[Invalid, ...]:
    """Return what is wrong with ``address``, one ``Invalid`` per field; empty when a letter would arrive."""
    form = {field.name: field for field in pack.address.fields}
    problems = [
        Invalid(
            f"addresses in {pack.code} have no field {name!r}",
            code="country.address_field_unknown",
            field=name,
            fix=f"use {', '.join(form)}",
        )
        for name in address
        if name not in form
    ]
    needed = ", ".join(name for name, field in form.items() if field.required)
    for name, field in form.items():
        text = address.get(name, "").strip()
        if not text and field.required:
            problems.append(
                Invalid(
                    f"{name} is missing",
                    code="country.address_field_missing",
                    field=name,
                    fix=f"addresses in {pack.code} need {needed}",
                )
            )
        elif text and field.pattern and not re.fullmatch(field.pattern, text):
            problems.append(
                Invalid(
                    f"{name} does not have the form of {pack.code}",
                    code="country.address_field_malformed",
                    field=name,
                    value=text,
                    fix=f"it matches {field.pattern}",
                )
            )
    return tuple(problems)


def address_lines(pack: CountryPack, address: Address) -> tuple[str, ...]:
    """Return the lines of ``address`` as an envelope shows them; empty fields and lines fall away."""
    values = {field.name: address.get(field.name, "").strip() for field in pack.address.fields}
    lines = (re.sub(r"\s+", " ", line.format_map(values)).strip(" ,") for line in pack.address.lines)
    return tuple(line for line in lines if line)
