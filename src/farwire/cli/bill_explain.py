"""``farwire bill explain``: why each line of a bill is what it is, for people and for programs."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from farwire.billing import service
from farwire.billing.rendering.explanation import (
    EXPLANATION_WORDS,
    corrections_in_words,
    facts_in_words,
)
from farwire.billing.rendering.words import language_of
from farwire.billing.service.explain import LineBehind, explain_lines
from farwire.cli.shell import JsonOption, LimitOption, OffsetOption, Session, TenantOption, run
from farwire.kernel.errors import Invalid
from farwire.kernel.money import Nano, nano_to_decimal
from farwire.kernel.page import PageRequest
from farwire.rating.model import explain_in_words
from farwire.rating.model.explanation import from_json

OF_THE_BILL = "bill"
"""The language of the customer."""


def explain(
    tenant: TenantOption,
    bill: Annotated[str, typer.Argument(help="The bill's number or id.")],
    line: Annotated[int, typer.Option("--line", min=0, help="Only this line, down to single records.")] = 0,
    language: Annotated[
        str, typer.Option("--language", help="en, de, fr, or bill for the customer's own.")
    ] = "en",
    offset: OffsetOption = 0,
    limit: LimitOption = 20,
    as_json: JsonOption = False,
) -> None:
    """Say why each line is what it is: offer, price version, interval, units, usage, tax rule, terms.

    With --line, record by record. With --json, also as data.

      farwire bill explain NM-2026-0000001 --tenant acme --line 3 --language bill
    """

    async def act(session: Session) -> None:
        tenant_id = await session.tenant(tenant)
        found = await service.get_bill(db=session.db, tenant_id=tenant_id, key=bill)
        chosen = _language(language, found.language)
        behind = await explain_lines(
            db=session.db,
            tenant_id=tenant_id,
            bill=found,
            page=PageRequest(offset, limit if line else 3),
            numbers=[line] if line else None,
        )
        key = found.number or str(found.id)
        said = {str(one.facts.line): _words(key, tenant, one, chosen, single=bool(line)) for one in behind}
        if session.out.as_json:
            facts = {str(one.facts.line): _facts(one) for one in behind}
            session.out.document({"bill": key, "lines": said, "facts": facts})
        else:
            session.out.text("\n".join(said.values()))

    run(act, as_json)


def _language(asked: str, of_bill: str) -> str:
    if asked == OF_THE_BILL:
        return language_of(of_bill)
    if asked in EXPLANATION_WORDS:
        return asked
    raise Invalid(
        f"there are no words in {asked!r}",
        code="billing.language",
        field="language",
        value=asked,
        fix=f"use one of {', '.join(EXPLANATION_WORDS)}, or {OF_THE_BILL}",
    )


def _words(key: str, tenant: str, behind: LineBehind, language: str, *, single: bool) -> str:
    explained, facts = behind.explained, behind.facts
    said = facts_in_words(facts, language)
    if explained.charge is not None:
        said.append(explain_in_words(explained.charge, language))
    said += corrections_in_words(explained, language)
    if explained.records is not None and facts.records:
        if single:
            for record in explained.records.items:
                said.append(f"\n{record.started_at.isoformat()}  {record.usage_id}")
                if record.explanation:
                    said.append(explain_in_words(from_json(record.explanation), language))
            shown = explained.records.offset + len(explained.records.items)
            if shown < facts.records:
                said.append(f"\nMore: --offset {shown}")
        else:
            said.append(f"Record by record: farwire bill explain {key} --line {facts.line} --tenant {tenant}")
    return "\n".join(said) + "\n"


def _facts(behind: LineBehind) -> dict[str, object]:
    """Return the facts as JSON objects, with the explanation of the charge and of each usage of the page."""
    explained = behind.explained
    records = () if explained.records is None else explained.records.items
    usage = [
        {
            "id": record.usage_id,
            "started_at": record.started_at,
            "charge": nano_to_decimal(Nano(record.charge_nano or 0)),
            "explanation": msgspec.json.decode(record.explanation) if record.explanation else None,
        }
        for record in records
    ]
    parts = {
        "charge": explained.charge,
        "credit": explained.credit,
        "corrects": explained.note,
    }
    said = {name: msgspec.to_builtins(part) for name, part in parts.items() if part is not None}
    facts: dict[str, object] = msgspec.to_builtins(behind.facts)
    return {**facts, **said, "usage": usage, "proven": behind.proven}
