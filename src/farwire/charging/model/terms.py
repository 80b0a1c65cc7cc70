"""What an operator writes beside a price plan so that it can be charged online: plan terms and offer terms.

Money, usage prices, days and allowances are the price plan's. Here stands only what it cannot say.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta

from farwire.kernel.errors import Invalid

OfferingCode = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Days = Annotated[int, Meta(ge=0, le=36_500)]
Small = Annotated[int, Meta(ge=0, le=30_000)]
Percent = Annotated[int, Meta(ge=0, le=99)]
_PATH: Final = re.compile(r" - at `\$\.?(.*)`$")


class AtTheEnd(StrEnum):
    """What the network does when the last quota is used up."""

    TERMINATE = "terminate"
    REDIRECT = "redirect"
    RESTRICT = "restrict"


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A part of a document. A field that is not known is an error."""


class Quota(_Part, frozen=True):
    """How large quotas of one kind of usage are. What is left out keeps its usual value."""

    size: str = ""
    """What is granted far from the end: "50 MB", "5 min". Also the most."""
    least: str = ""
    """Near the end quotas shrink down to this."""
    validity: str = ""
    """When the client comes back: "1 h"."""
    threshold_percent: Percent | None = None
    """Ask again when only this part of the quota is left."""
    part: Annotated[int, Meta(ge=1, le=1_000)] | None = None
    """Near the end a quota is at most one so-manieth of what is left."""


class Quotas(_Part, frozen=True):
    """Quotas by kind of usage."""

    data: Quota = Quota()
    voice: Quota = Quota()
    message: Quota = Quota()
    event: Quota = Quota()


class Loan(_Part, frozen=True):
    """The emergency credit."""

    amount: Decimal
    below: Decimal
    """Lent only to who has less than this."""
    fee: Decimal = Decimal(0)


class LimitPeriod(StrEnum):
    """When a limit starts anew."""

    DAY = "day"
    CYCLE = "cycle"
    NEVER = "never"


class FirstLimit(_Part, frozen=True):
    """A spend limit that accounts are opened with."""

    amount: Decimal
    period: LimitPeriod = LimitPeriod.CYCLE
    roaming_only: bool = False


class PlanDocument(_Part, frozen=True):
    """The charging terms of the price plan of ``offering``."""

    offering: OfferingCode
    active_days: Days = 90
    """How long a top-up or the first use keeps an account active."""
    grace_days: Days = 90
    at_the_end: AtTheEnd = AtTheEnd.TERMINATE
    loan: Loan | None = None
    quotas: Quotas = Quotas()
    limits: tuple[FirstLimit, ...] | None = None
    """What accounts are opened with. Left out: the roaming cap of the country, where it has one; empty: none."""


class Give(_Part, frozen=True):
    """One balance that an offer gives: an ``allowance`` of the price plan, other units, or money."""

    allowance: str = ""
    """The id of an allowance: its amount, and it serves only the prices that the allowance names."""
    amount: str = ""
    """"2 GB", "100 min": units for all usage of their kind."""
    money: Decimal | None = None
    rollover_cap: str = ""
    """The most that a renewal carries over; that of the allowance where empty."""
    priority: Small = 10
    """The lowest is used first. The main balance has 100."""
    shared: bool = False
    """Whether members of the circle may use it."""


class OfferDocument(_Part, frozen=True):
    """How ``offering`` is sold to a prepaid account: its price, its days, what it gives."""

    offering: OfferingCode
    plan: str = ""
    """The offering whose usage prices its buyers have; its own where empty."""
    price: str = ""
    """The id of the recurring or one-off price that is taken; the only one where empty."""
    days: Days | None = None
    """How long it lasts, 0: without end. That of the price where it is left out."""
    gives: tuple[Give, ...] = ()
    """Every allowance of its price plan where empty."""


Document = PlanDocument | OfferDocument
_T = TypeVar("_T", PlanDocument, OfferDocument)


def read_plan_terms(text: str, *, name: str = "terms") -> PlanDocument:
    """Return the plan terms that ``text`` holds, TOML or JSON.

    Raises ``Invalid``: ``charging.terms_syntax``, ``charging.terms_field`` with the path of the field.
    """
    return _read(text, PlanDocument, name)


def read_offer_terms(text: str, *, name: str = "terms") -> OfferDocument:
    """Return the offer terms that ``text`` holds; see ``read_plan_terms``."""
    return _read(text, OfferDocument, name)


def _read(text: str, type_: type[_T], name: str) -> _T:
    try:
        if text.lstrip().startswith("{"):
            return msgspec.json.decode(text, type=type_)
        return msgspec.convert(tomllib.loads(text, parse_float=Decimal), type_)
    except msgspec.ValidationError as error:
        path = _PATH.search(str(error))
        raise Invalid(
            _PATH.sub("", str(error)),
            code="charging.terms_field",
            field=path[1] if path else name,
            fix="docs/charging.md lists every field with an example",
        ) from None
    except (tomllib.TOMLDecodeError, msgspec.DecodeError, RecursionError) as error:
        raise Invalid(
            f"{name} is neither TOML nor JSON: {error}", code="charging.terms_syntax", field=name
        ) from None


def to_json(document: Document) -> str:
    """Return a document as it is kept. Equal documents give equal texts."""
    return msgspec.json.encode(document, order="deterministic").decode()


def digest(document: Document) -> str:
    """Return the SHA-256 of a document, in hexadecimal: the name of its content."""
    return hashlib.sha256(to_json(document).encode()).hexdigest()
