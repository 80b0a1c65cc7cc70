"""The roles of parties over HTTP: our own model (TMF669 comes as a shape of it)."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from farwire.base.authz import Permission
from farwire.base.web import (
    AnyRoute,
    ById,
    Call,
    Method,
    Nothing,
    PageQuery,
    Reply,
    Route,
    moment,
    page_reply,
    timestamp,
)
from farwire.kernel.ids import PartyId, parse_id
from farwire.party import service
from farwire.party.api.documents import BASE, Time
from farwire.party.model import PartyRole, RoleKind

TAG: Final = "Parties"


class RoleDocument(
    msgspec.Struct, frozen=True, rename="camel", tag_field="@type", tag="PartyRole", omit_defaults=True
):
    """In a time, ``validTo`` exclusive, a party plays a role, for another party where ``ofPartyId`` is there."""

    party_id: str
    role: RoleKind
    valid_from: str
    valid_to: str | None = None
    of_party_id: str | None = None


class RoleCreate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A role to play. Without ``validFrom`` from now on, without ``validTo`` until it is ended."""

    role: RoleKind
    valid_from: Time | None = None
    valid_to: Time | None = None
    of_party_id: str | None = None

    def to_model(self, party_id: PartyId, now: datetime) -> PartyRole:
        """Return the role. Raises ``Invalid`` (``web.time_out_of_range``, ``ids.malformed``)."""
        return PartyRole(
            party_id,
            self.role,
            now if self.valid_from is None else moment(self.valid_from, field="validFrom"),
            None if self.valid_to is None else moment(self.valid_to, field="validTo"),
            None if self.of_party_id is None else PartyId(parse_id(self.of_party_id, field="ofPartyId")),
        )


class RoleEnd(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The role to end, for whomever it is played. Without ``at`` now."""

    role: RoleKind
    at: Time | None = None


class EndedRoles(msgspec.Struct, frozen=True, rename="camel", tag_field="@type", tag="EndedRoles"):
    """The roles that ended; none where none was played."""

    ended: list[RoleDocument]


def role_document(role: PartyRole) -> RoleDocument:
    """Return what the API shows of a role."""
    return RoleDocument(
        str(role.party_id),
        role.role,
        timestamp(role.valid_from),
        None if role.valid_to is None else timestamp(role.valid_to),
        None if role.of is None else str(role.of),
    )


async def list_roles(call: Call[ById, PageQuery, None]) -> Reply:
    """Return the roles that the party plays and those that others play for it, oldest first."""
    party_id, wanted = PartyId(call.path.id), call.query.page()
    async with call.transaction() as tx:
        await service.get_party(tx=tx, party_id=party_id)
        found = await service.roles_of(tx, party_id)
    return page_reply(wanted.of(found), role_document)


async def add_role(call: Call[ById, Nothing, RoleCreate]) -> Reply:
    """Let the party play a role."""
    role = call.body.to_model(PartyId(call.path.id), call.now())
    async with call.transaction() as tx:
        added = await service.add_role(tx, role=role, now=call.now(), actor=call.principal.actor)
    return Reply(role_document(added))


async def end_role(call: Call[ById, Nothing, RoleEnd]) -> Reply:
    """End a role that the party plays."""
    body, now = call.body, call.now()
    async with call.transaction() as tx:
        ended = await service.end_role(
            tx,
            party_id=PartyId(call.path.id),
            role=body.role,
            at=now if body.at is None else moment(body.at, field="at"),
            now=now,
            actor=call.principal.actor,
        )
    return Reply(EndedRoles([role_document(one) for one in ended]))


ROLE_ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        method=Method.GET,
        path=f"{BASE}/{{id}}/roles",
        handler=list_roles,
        summary="List the roles of a party",
        tag=TAG,
        permission=Permission.PARTY_READ,
        response=list[RoleDocument],
        path_type=ById,
        query_type=PageQuery,
        description="Those that it plays and those that others play for it, oldest first.",
    ),
    Route(
        method=Method.POST,
        path=f"{BASE}/{{id}}/roles",
        handler=add_role,
        summary="Let a party play a role",
        tag=TAG,
        permission=Permission.PARTY_WRITE,
        response=RoleDocument,
        path_type=ById,
        body_type=RoleCreate,
        status=201,
        idempotent=True,
        description="The same role from the same time on is the same role.",
    ),
    Route(
        method=Method.POST,
        path=f"{BASE}/{{id}}/roles/end",
        handler=end_role,
        summary="End a role of a party",
        tag=TAG,
        permission=Permission.PARTY_WRITE,
        response=EndedRoles,
        path_type=ById,
        body_type=RoleEnd,
        idempotent=True,
        description="For whomever it is played; the answer is what ended.",
    ),
)
