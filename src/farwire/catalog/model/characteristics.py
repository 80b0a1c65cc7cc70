"""The values of characteristics: what an order may choose, and what it gets where it says nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from farwire.catalog.model.combination import Refusal
from farwire.catalog.model.specification import Characteristic, Value, ValueType

_TYPES: Final[Mapping[ValueType, tuple[type, ...]]] = {
    ValueType.TEXT: (str,),
    ValueType.INTEGER: (int,),
    ValueType.DECIMAL: (int, str),
    ValueType.BOOLEAN: (bool,),
}
_DECIMAL: Final = re.compile(r"-?\d{1,18}(\.\d{1,9})?")
MAX_TEXT: Final = 500


def value_error(characteristic: Characteristic, value: Value) -> str:
    """Return what is wrong with ``value``; empty where it is allowed."""
    wanted = characteristic.value_type
    if not isinstance(value, _TYPES[wanted]) or (isinstance(value, bool) and wanted is not ValueType.BOOLEAN):
        return f"{characteristic.name} is of the type {wanted.value}"
    if isinstance(value, str) and len(value) > MAX_TEXT:
        return f"{characteristic.name} has at most {MAX_TEXT} characters"
    if characteristic.values and value not in characteristic.values:
        return f"{characteristic.name} is one of {', '.join(str(one) for one in characteristic.values)}"
    if wanted not in (ValueType.INTEGER, ValueType.DECIMAL):
        return ""
    if not _DECIMAL.fullmatch(str(value)):
        return f"{characteristic.name} is a number of at most 18 digits and nine decimals"
    number, low, high = Decimal(value), characteristic.minimum, characteristic.maximum
    if (low is not None and number < low) or (high is not None and number > high):
        bounds = [f"at least {low}"] if low is not None else []
        bounds += [f"at most {high}"] if high is not None else []
        return f"{characteristic.name} is {' and '.join(bounds)}"
    return ""


def configure(
    characteristics: Sequence[Characteristic], chosen: Mapping[str, Value]
) -> tuple[Mapping[str, Value], tuple[Refusal, ...]]:
    """Return the values of a product for which ``chosen`` was ordered, defaults filled in, and why they cannot be.

    A value is missing where it is mandatory without a default, unknown where no characteristic has its name.
    """
    values: dict[str, Value] = {}
    refusals: list[Refusal] = []
    known = {one.name: one for one in characteristics}
    for name, value in chosen.items():
        wrong = value_error(known[name], value) if name in known else f"there is no characteristic {name}"
        if not wrong and not known[name].configurable and value != known[name].default:
            wrong = f"{name} cannot be chosen"
        if wrong:
            refusals.append(
                Refusal("catalog.characteristic", wrong, name, str(value), "farwire catalog show")
            )
    for name, one in known.items():
        value_or_none = chosen.get(name, one.default)
        if value_or_none is not None:
            values[name] = value_or_none
        elif one.mandatory:
            refusals.append(
                Refusal("catalog.characteristic_missing", f"{name} is needed", name, "", f"choose {name}")
            )
    return values, tuple(refusals)
