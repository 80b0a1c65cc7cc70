"""The tenant's own versions of templates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from farwire.base.storage import Tx
from farwire.communication.model import Channel, Template, TemplateKey

if TYPE_CHECKING:
    from asyncpg import Record

_COLUMNS = "code, language, channel, version, subject, body, variables, required, published_at"


def _from_row(row: Record) -> Template:
    return Template(
        TemplateKey(row["code"], row["language"], Channel(row["channel"])),
        row["version"],
        row["subject"],
        row["body"],
        frozenset(row["variables"]),
        frozenset(row["required"]),
        row["published_at"],
    )


async def lock_code(tx: Tx, code: str) -> None:
    """Wait until no other transaction publishes a text of ``code``."""
    await tx.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended('farwire.template/' || $1::text || '/' || $2, 0))",
        str(tx.tenant_id),
        code,
    )


async def add_template(tx: Tx, template: Template) -> None:
    """Insert one version."""
    await tx.execute(
        f"INSERT INTO communication.template (tenant_id, {_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        tx.tenant_id,
        template.key.code,
        template.key.language,
        template.key.channel.value,
        template.version,
        template.subject,
        template.body,
        sorted(template.variables),
        sorted(template.required),
        template.published_at,
    )


async def latest_templates(tx: Tx, *, codes: Sequence[str] | None = None) -> tuple[Template, ...]:
    """Return the latest version of every text of the codes, or of all, in the order of their keys."""
    rows = await tx.fetch(
        f"SELECT DISTINCT ON (code, language, channel) {_COLUMNS} FROM communication.template "
        "WHERE tenant_id = $1 AND ($2::text[] IS NULL OR code = ANY($2)) "
        "ORDER BY code, language, channel, version DESC",
        tx.tenant_id,
        None if codes is None else list(codes),
    )
    return tuple(_from_row(row) for row in rows)
