"""What TMF673 does beside keeping addresses: parts of one by themselves, and the validation of what a client writes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from farwire.base.storage import Tx
from farwire.base.tmf import Act, Document, Target, Wanted, stored_time
from farwire.base.tmf.descriptor import PARENT
from farwire.base.tmf.documents import by_ids
from farwire.base.tmf_work import equal_documents
from farwire.kernel.errors import Invalid
from farwire.kernel.ids import uuid7
from farwire.kernel.page import Page

ADDRESS: Final = Target("673", "GeographicAddress")
_PARTS: Final = "geographicSubAddress"
_WORDS: Final = (
    "country",
    "stateOrProvince",
    "postcode",
    "city",
    "locality",
    "streetName",
    "streetType",
    "streetSuffix",
    "streetNr",
    "streetNrSuffix",
    "streetNrLast",
    "streetNrLastSuffix",
)
"""What an address is told by; its name, kind and codes do not make it another place."""
_NARROW: Final = ("postcode", "city", "locality", "streetName")
_LOOKED_AT: Final = 1000
_ALTERNATES: Final = 10


async def with_ids(_tx: Tx, document: Document, _act: Act) -> Document:
    """Return a new address whose parts all have ids, each its own."""
    return _named(document)


async def with_ids_again(_tx: Tx, _before: Document, after: Document, _act: Act) -> Document:
    """Return a changed address whose parts all have ids, each its own."""
    return _named(after)


def _named(document: Document) -> Document:
    parts = document.get(_PARTS)
    if not parts:
        return document
    seen: set[str] = set()
    named = []
    for number, part in enumerate(parts):
        key = str(part.get("id") or uuid7())
        if key in seen:
            path, fix = f"$.{_PARTS}[{number}].id", "give each part an id of its own, or none"
            raise Invalid("two parts have this id", code="tmf.shape", field=path, value=key, fix=fix)
        seen.add(key)
        named.append({**part, "id": key})
    return {**document, _PARTS: named}


def _part(address: Document, part: Document) -> Document:
    return {"@type": "GeographicSubAddress", **part, PARENT.name: address["id"]}


async def _parts(tx: Tx, key: str) -> list[Document]:
    address = (await by_ids(tx, ADDRESS, [key])).get(key, {})
    return [_part(address, one) for one in address.get(_PARTS) or () if one.get("id")]


async def find_part(tx: Tx, key: str, _now: datetime) -> Document | None:
    """Return the part of an address that is called so; ``key`` is the address's id, a slash, and its own."""
    outer, _, inner = key.partition("/")
    return next((one for one in await _parts(tx, outer) if one["id"] == inner), None)


async def page_of_parts(tx: Tx, wanted: Wanted) -> Page[Document]:
    """Return parts of one address, in their order in it."""
    (outer,) = wanted.equal[PARENT.name]
    parts = await _parts(tx, outer)
    end = wanted.offset + wanted.limit
    return Page(tuple(parts[wanted.offset : end]), len(parts), wanted.offset, wanted.limit)


async def validate(tx: Tx, document: Document, act: Act) -> Document:
    """Return a validation that is done: the stored address that was meant, or those that are like it.

    ``success``: one stored address has everything that was submitted. ``partial``: several have, or some are like it.
    ``fails``: none is. Letters' case and spaces make no difference.
    """
    submitted = document["submittedGeographicAddress"]
    said = _said(submitted)
    near = await _near(tx, submitted)
    meant = [one for one in near if said and _agreeing(said, one) == len(said)]
    like = meant or [one for one in near if _agreeing(said, one) > 0]
    result = "success" if len(meant) == 1 else "partial" if like else "fails"
    done = {name: value for name, value in document.items() if name not in _SAID_BY_SERVER}
    done |= {"state": "done", "validationDate": stored_time(act.now), "validationResult": result}
    if result == "success":
        done["validGeographicAddress"] = meant[0]
    elif document["provideAlternative"] and like:
        like.sort(key=lambda one: -_agreeing(said, one))
        done["alternateGeographicAddress"] = like[:_ALTERNATES]
    return done


_SAID_BY_SERVER: Final = ("validGeographicAddress", "alternateGeographicAddress")


async def _near(tx: Tx, submitted: Document) -> list[Document]:
    """Return stored addresses that have the postcode, else the town, else the street that was submitted."""
    for name in _NARROW:
        text = submitted.get(name)
        if isinstance(text, str) and text.strip():
            found: Sequence[Document] = await equal_documents(tx, ADDRESS, {name: text.strip()}, _LOOKED_AT)
            if found:
                return list(found)
    return []


def _said(address: Document) -> dict[str, str]:
    return {name: _plain(address[name]) for name in _WORDS if _plain(address.get(name))}


def _plain(text: Any) -> str:
    return " ".join(str(text or "").casefold().split())


def _agreeing(said: dict[str, str], stored: Document) -> int:
    return sum(_plain(stored.get(name)) == text for name, text in said.items())
