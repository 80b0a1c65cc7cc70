"""How previews, adapters and drift look on the wire."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from farwire.activation.adapters import Element
from farwire.activation.model import (
    Action,
    DriftKind,
    Finding,
    FindingState,
    Policy,
    Preview,
    Watch,
)
from farwire.base.web import PageQuery, timestamp

BASE: Final = "/farwire/v1"
Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9-]{0,62}$", max_length=63)]
Text = Annotated[str, msgspec.Meta(pattern=r"^[^\x00-\x1f\x7f]{1,256}$", max_length=256)]
Value = Annotated[str, msgspec.Meta(pattern=r"^[^\x00-\x1f\x7f]{0,256}$", max_length=256)]


class ByAdapter(msgspec.Struct, frozen=True):
    """The path of one adapter, by the name that the catalogue calls."""

    name: Annotated[str, msgspec.Meta(max_length=63)]


class DriftQuery(PageQuery, frozen=True, kw_only=True):
    """Filters of the report."""

    adapter: Name | None = None
    state: FindingState | None = None


class PreviewCreate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """An operation that is not carried out."""

    adapter: Name
    action: Action
    target: Text
    attributes: Annotated[dict[Text, Value], msgspec.Meta(max_length=50)] = {}


class DifferenceDocument(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """An attribute that would change; absent where it is, or would be, not there."""

    attribute: str
    there: str | None = None
    wanted: str | None = None


class PreviewDocument(
    msgspec.Struct,
    frozen=True,
    rename="camel",
    omit_defaults=True,
    tag_field="@type",
    tag="ActivationPreview",
):
    """What the operation would do. ``there`` and ``wanted`` are absent for nothing."""

    adapter: str
    action: Action
    differences: list[DifferenceDocument]
    confirmed_or_taken_back: bool
    there: dict[str, str] | None = None
    wanted: dict[str, str] | None = None


class PolicySet(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What is done about drift from now on."""

    policy: Policy


class AdapterDocument(
    msgspec.Struct,
    frozen=True,
    rename="camel",
    omit_defaults=True,
    tag_field="@type",
    tag="ActivationAdapter",
):
    """A name of the catalogue, what speaks for it, and how the look for drift stands."""

    name: str
    kind: str
    policy: Policy
    rounds: int
    round_ended_at: str | None = None
    rests_until: str | None = None
    problem: str = ""


class DriftDocument(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag_field="@type", tag="Drift"
):
    """A difference between what was applied and what is there, and what became of it."""

    id: str
    adapter: str
    kind: DriftKind
    state: FindingState
    target: str
    attributes: list[str]
    found_at: str
    failed_repairs: int = 0
    problem: str = ""
    ended_at: str | None = None


def preview_document(seen: Preview) -> PreviewDocument:
    """Return a preview as the API shows it."""
    there, wanted = seen.there or {}, seen.wanted or {}
    return PreviewDocument(
        adapter=seen.adapter,
        action=seen.action,
        differences=[DifferenceDocument(name, there.get(name), wanted.get(name)) for name in seen.differs],
        confirmed_or_taken_back=seen.confirming,
        there=None if seen.there is None else dict(seen.there),
        wanted=None if seen.wanted is None else dict(seen.wanted),
    )


def adapter_document(element: Element, watch: Watch) -> AdapterDocument:
    """Return an adapter as the API shows it; where it is reached stays in the house."""
    return AdapterDocument(
        name=element.name,
        kind=element.adapter,
        policy=watch.policy,
        rounds=watch.round,
        round_ended_at=None if watch.ended_at is None else timestamp(watch.ended_at),
        rests_until=None if watch.resume_at is None else timestamp(watch.resume_at),
        problem=watch.problem,
    )


def drift_document(one: Finding) -> DriftDocument:
    """Return a finding as the API shows it."""
    return DriftDocument(
        id=str(one.id),
        adapter=one.adapter,
        kind=one.kind,
        state=one.state,
        target=one.name,
        attributes=list(one.attributes),
        found_at=timestamp(one.found_at),
        failed_repairs=one.attempts,
        problem=one.problem,
        ended_at=None if one.ended_at is None else timestamp(one.ended_at),
    )
