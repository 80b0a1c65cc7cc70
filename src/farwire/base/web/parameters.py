"""Path and query parameters: declared as a msgspec struct, parsed one by one, so that an error names its parameter."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, Final, Generic, TypeVar, Union, get_args, get_origin
from urllib.parse import parse_qsl
from uuid import UUID

import msgspec

from farwire.kernel.errors import Invalid
from farwire.kernel.page import DEFAULT_LIMIT, MAX_LIMIT, MAX_OFFSET, PageRequest
from farwire.kernel.time import instant

S = TypeVar("S", bound=msgspec.Struct)

MAX_PARAMETERS: Final = 40
"""Query parameters that one request may carry."""


class Nothing(msgspec.Struct, frozen=True):
    """No parameters at all."""


class ById(msgspec.Struct, frozen=True):
    """The path of one resource."""

    id: UUID


class PageQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The two parameters of every list (TMF630 part 1, paging)."""

    offset: Annotated[int, msgspec.Meta(ge=0, le=MAX_OFFSET, description="Rows to skip.")] = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_LIMIT, description="Most rows to return.")] = (
        DEFAULT_LIMIT
    )

    def page(self) -> PageRequest:
        """Return the same as the kernel's page request."""
        return PageRequest(offset=self.offset, limit=self.limit)


class AnyQuery(msgspec.Struct, frozen=True):
    """Whatever parameters there are, in their order, for a handler that reads them itself."""

    pairs: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Parameter:
    """One declared parameter: its name on the wire, its type, and the function that reads it."""

    name: str
    attribute: str
    type: Any
    required: bool
    default: object
    parse: Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Parameters(Generic[S]):
    """The compiled form of a struct of parameters."""

    struct: type[S]
    by_name: dict[str, Parameter]
    empty: S | None
    """The value when none is given, where none is required."""

    def parse(self, given: Iterable[tuple[str, str]]) -> S:
        """Return the struct that ``given`` fills. Raises ``Invalid``: unknown, repeated, missing or malformed."""
        values: dict[str, object] = {}
        if self.struct is AnyQuery:
            return self.struct(tuple(given))
        for name, text in given:
            parameter = self.by_name.get(name)
            if parameter is None:
                raise self._unknown(name)
            if parameter.attribute in values:
                raise Invalid(
                    f"parameter {name} is given twice",
                    code="web.parameter_repeated",
                    field=name,
                    fix="give it once",
                )
            values[parameter.attribute] = parameter.parse(text)
        for parameter in self.by_name.values():
            if parameter.required and parameter.attribute not in values:
                raise Invalid(
                    f"parameter {parameter.name} is missing",
                    code="web.parameter_missing",
                    field=parameter.name,
                )
        return self.struct(**values)

    def _unknown(self, name: str) -> Invalid:
        known = ", ".join(sorted(self.by_name)) or "none"
        return Invalid(
            "the parameter is unknown here",
            code="web.parameter_unknown",
            field=name,
            fix=f"known parameters: {known}",
        )


_COMPILED: Final[dict[type[Any], Parameters[Any]]] = {}


def compile_parameters(struct: type[S]) -> Parameters[S]:
    """Return the parser of the parameters that ``struct`` declares: the same one each time, as few are declared."""
    if struct not in _COMPILED:
        _COMPILED[struct] = _compiled(struct)
    return _COMPILED[struct]


def _compiled(struct: type[S]) -> Parameters[S]:
    by_name: dict[str, Parameter] = {}
    if issubclass(struct, AnyQuery):
        return Parameters(struct, by_name, struct())
    for field in msgspec.structs.fields(struct):
        kind = _without_none(field.type)
        by_name[field.encode_name] = Parameter(
            name=field.encode_name,
            attribute=field.name,
            type=kind,
            required=field.required,
            default=None if field.default is msgspec.NODEFAULT else field.default,
            parse=_parser(field.encode_name, kind),
        )
    needed = any(parameter.required for parameter in by_name.values())
    return Parameters(struct, by_name, None if needed else struct())


def query_pairs(query: str) -> list[tuple[str, str]]:
    """Return the decoded pairs of a query string. Raises ``Invalid`` for too many, or for bytes that are not UTF-8."""
    try:
        return parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS)
    except ValueError:
        raise Invalid(
            "the query string cannot be read",
            code="web.query_malformed",
            fix=f"use UTF-8, percent-encoded, and at most {MAX_PARAMETERS} parameters",
        ) from None


def _without_none(kind: Any) -> Any:
    """Return ``X`` of ``X | None``: a parameter that is not given is absent, never the text "null"."""
    if get_origin(kind) in (Union, types.UnionType):
        rest = [member for member in get_args(kind) if member is not type(None)]
        return rest[0] if len(rest) == 1 else kind
    return kind


def _bare(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _parser(name: str, kind: Any) -> Callable[[str], object]:
    bare = _bare(kind)
    if bare is datetime:
        return lambda text: _instant(name, text)
    strict = bare is str or (isinstance(bare, type) and issubclass(bare, Enum))

    def parse(text: str) -> object:
        if "\x00" in text:
            raise Invalid("the value contains a NUL character", code="web.parameter_malformed", field=name)
        try:
            return msgspec.convert(text, kind, strict=strict)
        except msgspec.ValidationError as error:
            raise _malformed(name, text, bare, str(error)) from None

    return parse


def _instant(name: str, text: str) -> datetime:
    try:
        return instant(text, field=name)
    except Invalid as error:
        if text[-6:-5] == " ":  # "+02:00" unescaped reaches us as " 02:00"
            raise Invalid(
                f"{name} is not a time",
                code="web.parameter_malformed",
                field=name,
                value=text,
                fix="write the + of the offset as %2B, or use Z",
            ) from None
        raise error from None


def _malformed(name: str, text: str, bare: Any, detail: str) -> Invalid:
    fix = None
    if isinstance(bare, type) and issubclass(bare, Enum):
        fix = "use one of " + ", ".join(str(member.value) for member in bare)
    return Invalid(
        f"parameter {name}: {detail}", code="web.parameter_malformed", field=name, value=text, fix=fix
    )
