"""What the commands of ``farwire ledger`` share: which company, which month."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from farwire.cli.shell import Session
from farwire.kernel.errors import Invalid, NotFound
from farwire.tenant import service as tenants
from farwire.tenant.model import LegalEntity, Tenant

CompanyOption = Annotated[
    str,
    typer.Option("--company", help="Only this company, by the prefix of its bill numbers; all by default."),
]
MonthOption = Annotated[str, typer.Option("--month", help="Only this month, e.g. 2026-06; all by default.")]


async def chosen(session: Session, tenant: str, company: str) -> tuple[Tenant, Sequence[LegalEntity]]:
    """Return the operator and the companies that the options name. Raises ``NotFound`` (``ledger.company_unknown``)."""
    operator = await tenants.tenant_by_name(db=session.db, name=tenant)
    async with session.db.transaction(operator.id) as tx:
        known = tuple((await tenants.legal_entities(tx)).values())
    found = tuple(one for one in known if not company or one.number_prefix == company)
    if company and not found:
        raise NotFound(
            "there is no such company",
            code="ledger.company_unknown",
            field="company",
            value=company,
            fix="one of: " + (", ".join(one.number_prefix for one in known) or "none yet"),
        )
    return operator, found


async def company_of(session: Session, tenant: str, company: str) -> tuple[Tenant, LegalEntity]:
    """Return the operator and one company: the named one, or the only one.

    Raises ``NotFound`` (``ledger.company_unknown``) and ``Invalid`` (``ledger.company_missing``).
    """
    operator, found = await chosen(session, tenant, company)
    if not found:
        raise NotFound("there is no company yet", code="ledger.company_unknown", field="company")
    if len(found) > 1:
        raise Invalid(
            "which company?",
            code="ledger.company_missing",
            field="company",
            fix="give --company, one of: " + ", ".join(one.number_prefix for one in found),
        )
    return operator, found[0]
