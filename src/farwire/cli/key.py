"""``farwire key``: API keys of an operator."""

from __future__ import annotations

from typing import Annotated

import typer

from farwire.base.authz import Role
from farwire.cli.shell import JsonOption, LimitOption, OffsetOption, Session, TenantOption, parse_moment, run
from farwire.kernel.ids import KeyId, parse_id
from farwire.kernel.page import PageRequest
from farwire.tenant import service
from farwire.tenant.model import ApiKey

app = typer.Typer(
    name="key",
    no_args_is_help=True,
    help="API keys. A key belongs to one operator and has one role; it is shown once and only its hash is kept.\n\n"
    "  farwire key create --tenant acme --role billing_operator --label month-end",
)


def _row(key: ApiKey) -> dict[str, object]:
    return {
        "id": key.id,
        "role": key.role,
        "label": key.label,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "last_used_on": key.last_used_on,
    }


@app.command("create")
def create(
    tenant: TenantOption,
    role: Annotated[Role, typer.Option("--role", help="What the holder is employed for (docs/roles.md).")],
    label: Annotated[str, typer.Option("--label", help="What the key is for. No personal data.")],
    expires: Annotated[
        str, typer.Option("--expires", help="A day, or a time with a zone; never by default.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Make a key and show it, this once."""

    async def act(session: Session) -> None:
        text, key = await service.create_key(
            db=session.db,
            clock=session.clock,
            tenant_id=await session.tenant(tenant),
            role=role,
            label=label,
            expires_at=parse_moment(expires, field="expires") if expires else None,
        )
        session.out.facts("API key", {"key": text, **_row(key)})
        session.out.note("Keep it now: it is not shown again. Send it as: Authorization: Bearer KEY")

    run(act, as_json)


@app.command("list")
def list_keys(
    tenant: TenantOption,
    offset: OffsetOption = 0,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """List an operator's keys: role, label, last use; never the key itself."""

    async def act(session: Session) -> None:
        page = await service.list_keys(
            db=session.db, tenant_id=await session.tenant(tenant), page=PageRequest(offset, limit)
        )
        rows = [_row(key) for key in page.items]
        columns = ("id", "role", "label", "created_at", "expires_at", "revoked_at", "last_used_on")
        empty = f"No key yet: farwire key create --tenant {tenant} --role tenant_admin --label me"
        session.out.rows("API keys", columns, rows, empty=empty, total=page.total)

    run(act, as_json)


@app.command("revoke")
def revoke(
    tenant: TenantOption,
    key: Annotated[str, typer.Argument(help="The key's id, from farwire key list.")],
    as_json: JsonOption = False,
) -> None:
    """Make a key useless at once. Revoking it again changes nothing."""

    async def act(session: Session) -> None:
        revoked = await service.revoke_key(
            db=session.db,
            clock=session.clock,
            tenant_id=await session.tenant(tenant),
            key_id=KeyId(parse_id(key, field="key")),
        )
        session.out.facts("Revoked", _row(revoked))

    run(act, as_json)
