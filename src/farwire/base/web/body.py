"""Request bodies: JSON of a declared type and a bounded size, with errors that say where."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Final, Generic, TypeVar

import falcon.asgi
import msgspec

from farwire.base.canonical import holds_nul
from farwire.base.web.route import JSON
from farwire.kernel.errors import Exhausted, FarwireError, Invalid

B = TypeVar("B")

_POSITION: Final = re.compile(r"\(byte (\d+)\)")
_PLACE: Final = re.compile(r" - at `(\$[^`]*)`")


class BodyReader(Generic[B]):
    """Reads and decodes the body of one route."""

    def __init__(
        self, kind: type[B], max_octets: int, *, accepts: Sequence[str] = (JSON,), exact: bool = False
    ) -> None:
        """``exact``: numbers of no declared type that are not whole become Decimal, with all their digits."""
        self._decoder = msgspec.json.Decoder(kind, float_hook=Decimal if exact else None)
        self._max_octets = max_octets
        self._accepts = frozenset(accepts)
        self._fix = f"send the header Content-Type: {accepts[0]}"

    async def read(self, req: falcon.asgi.Request) -> bytes:
        """Return the raw body. Raises for another content type, and for too large a body before all of it is read."""
        kind = req.content_type or ""
        if bare_type(kind) not in self._accepts:
            raise Invalid(
                "the body is not declared as JSON",
                code="web.media_type",
                field="Content-Type",
                value=kind or None,
                fix=self._fix,
            )
        declared = req.content_length
        if declared is not None and declared > self._max_octets:
            raise self._too_large()
        raw: bytes = await req.stream.read(self._max_octets + 1)
        if len(raw) > self._max_octets:
            raise self._too_large()
        return raw

    def decode(self, raw: bytes) -> B:
        """Return the body. Raises ``Invalid`` with the byte (not JSON) or the path (wrong value) of the first error."""
        if not raw:
            raise Invalid("the body is empty", code="web.body_malformed", fix="send a JSON object")
        if holds_nul(raw):
            raise Invalid(
                "a text in the body contains a NUL character", code="web.body_malformed", fix="remove \\u0000"
            )
        try:
            return self._decoder.decode(raw)
        except msgspec.ValidationError as error:
            raise _wrong_value(str(error)) from None
        except (msgspec.DecodeError, UnicodeError) as error:
            raise _not_json(str(error), len(raw)) from None
        except RecursionError:
            raise Invalid("the body is nested too deeply", code="web.body_malformed") from None

    def _too_large(self) -> FarwireError:
        return Exhausted(
            "the body is too large",
            code="web.body_too_large",
            field="Content-Length",
            fix=f"send at most {self._max_octets} octets; files go in by `farwire usage import`",
        )


def bare_type(content_type: str) -> str:
    """Return a media type without its parameters."""
    return content_type.split(";", 1)[0].strip().lower()


def _wrong_value(detail: str) -> Invalid:
    place = _PLACE.search(detail)
    fix = "add Z or an offset such as +02:00" if "timezone component" in detail else None
    return Invalid(_PLACE.sub("", detail), code="web.body_invalid", field=place[1] if place else "$", fix=fix)


def _not_json(detail: str, length: int) -> Invalid:
    position = _POSITION.search(detail)
    return Invalid(
        f"the body is not JSON: {detail}",
        code="web.body_malformed",
        field="body",
        value=f"byte {position[1] if position else length}",
    )
