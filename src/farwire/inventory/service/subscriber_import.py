"""Import of subscribers from CSV: parties, accounts, products and identifiers, in bulk, with an error per bad row.

Idempotent: a row whose account, offering, activation time and identifiers are there already changes nothing, so a file
can be sent again after some of its rows are mended. Bounded memory: ``BATCH`` rows at a time, one transaction each.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Final, TextIO

from farwire.account import service as accounts
from farwire.account.model import BillingAccount
from farwire.base import audit
from farwire.base.clock import Clock
from farwire.base.storage import Database, Tx
from farwire.catalog import service as catalog
from farwire.catalog.model import PlanVersion, in_force
from farwire.country.model import CountryPack
from farwire.country.service import load_pack
from farwire.inventory.model import Assignment, PlanChange, Product
from farwire.inventory.service.products import add_products, products_by_account, products_by_subscriber
from farwire.inventory.service.subscriber_rows import (
    Defaults,
    RowError,
    SubscriberRow,
    check_free,
    check_header,
    parse_row,
    same_product,
)
from farwire.inventory.service.subscribers import ensure_subscriber_keys
from farwire.kernel.errors import Conflict, FarwireError, Invalid, NotFound
from farwire.kernel.ids import AccountId, PartyId, ProductId, SubscriberKey, TenantId, uuid7
from farwire.kernel.tenancy import SYSTEM, Actor
from farwire.party import service as parties
from farwire.party.model import ContactKind, ContactMedium, Party
from farwire.tenant import service as tenants
from farwire.tenant.model import LegalEntity

BATCH: Final = 2000
MAX_ERRORS: Final = 1000
"""Errors kept with their words; all are counted."""


@dataclass(slots=True)
class SubscriberReport:
    """What an import did: rows = added + unchanged + refused."""

    rows: int = 0
    added: int = 0
    unchanged: int = 0
    refused: int = 0
    errors: list[RowError] = field(default_factory=list)

    def refuse(self, row: int, error: FarwireError) -> None:
        """Count a bad row and keep its error while there is room."""
        self.refused += 1
        if len(self.errors) < MAX_ERRORS:
            self.errors.append(RowError.of(row, error))


@dataclass(slots=True)
class _Batch:
    """What one transaction needs to decide about its rows, and what it will write."""

    now: datetime
    entities: Mapping[str, LegalEntity]
    plans: Mapping[str, Sequence[PlanVersion]]
    known: dict[str, BillingAccount]
    keys: Mapping[str, SubscriberKey]
    products: dict[AccountId, list[Product]]
    taken: dict[SubscriberKey, list[Assignment]]
    new_parties: list[Party] = field(default_factory=list)
    new_accounts: list[BillingAccount] = field(default_factory=list)
    new_products: list[Product] = field(default_factory=list)


def _rows(file: TextIO, pack: CountryPack) -> Iterator[tuple[int, Mapping[str, str]]]:
    reader = csv.reader(file, strict=True)
    header = [name.strip() for name in next(reader, [])]
    check_header(header, pack)
    for number, cells in enumerate(reader, 1):
        if cells:
            yield number, dict(zip(header, (cell.strip() for cell in cells), strict=False))


async def import_subscribers(
    *,
    db: Database,
    tenant_id: TenantId,
    clock: Clock,
    path: Path,
    actor: Actor = SYSTEM,
    progress: Callable[[int], None] = lambda _: None,
) -> SubscriberReport:
    """Import the CSV file at ``path`` (UTF-8, header row) and return what became of its rows.

    Raises ``Invalid`` (``inventory.import_header``, ``inventory.import_encoding``, ``inventory.import_malformed``),
    ``NotFound`` (``tenant.legal_entity_missing``). Batches before an error stay; sending the file again goes on.
    """
    tenant = await tenants.get_tenant(db=db, tenant_id=tenant_id)
    pack = load_pack(tenant.country)
    defaults = Defaults(tenant.country, pack.locale.languages[0], tenant.zone)
    report = SubscriberReport()
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = _rows(file, pack)
            while chunk := list(islice(rows, BATCH)):
                await _import_batch(
                    db, tenant_id, clock.now(), _parsed(chunk, defaults, pack, report), report
                )
                progress(report.rows)
    except UnicodeDecodeError:
        raise Invalid(
            "the file is not UTF-8", code="inventory.import_encoding", field="file", fix="save it as UTF-8"
        ) from None
    except csv.Error as error:
        raise Invalid(
            f"the file is no CSV: {error}", code="inventory.import_malformed", field="file"
        ) from None
    report.errors.sort(key=lambda error: error.row)
    await _note(db, tenant_id, clock.now(), actor, report)
    return report


async def _note(
    db: Database, tenant_id: TenantId, at: datetime, actor: Actor, report: SubscriberReport
) -> None:
    detail = {"rows": report.rows, "added": report.added, "refused": report.refused}
    async with db.transaction(tenant_id) as tx:
        await audit.record(
            tx, actor=actor, action="inventory.imported", subject=str(tenant_id), at=at, detail=detail
        )


def _parsed(
    chunk: Sequence[tuple[int, Mapping[str, str]]],
    defaults: Defaults,
    pack: CountryPack,
    report: SubscriberReport,
) -> list[SubscriberRow]:
    rows: list[SubscriberRow] = []
    for number, cells in chunk:
        report.rows += 1
        try:
            rows.append(parse_row(number, cells, defaults, pack))
        except FarwireError as error:
            report.refuse(number, error)
    return rows


async def _import_batch(
    db: Database, tenant_id: TenantId, now: datetime, rows: Sequence[SubscriberRow], report: SubscriberReport
) -> None:
    if not rows:
        return
    async with db.transaction(tenant_id) as tx:
        batch = await _load(tx, rows, now)
        for row in rows:
            try:
                if _decide(row, batch):
                    report.added += 1
                else:
                    report.unchanged += 1
            except FarwireError as error:
                report.refuse(row.number, error)
        await parties.add_parties(tx=tx, parties=batch.new_parties)
        await accounts.add_accounts(tx=tx, accounts=batch.new_accounts)
        await add_products(tx, batch.new_products, now=batch.now)


async def _load(tx: Tx, rows: Sequence[SubscriberRow], now: datetime) -> _Batch:
    entities = await tenants.legal_entities(tx)
    if not entities:
        raise NotFound(
            "the tenant has no legal entity that could sell",
            code="tenant.legal_entity_missing",
            fix="farwire tenant create … --company …",
        )
    by_prefix = {entity.number_prefix: entity for entity in entities.values()}
    by_prefix[""] = next(iter(entities.values()))
    known = dict(await accounts.accounts_by_number(tx=tx, numbers=[row.account for row in rows]))
    keys = await ensure_subscriber_keys(tx, [value for row in rows for _, value in row.identifiers])
    products = await products_by_account(tx, [account.id for account in known.values()])
    taken: dict[SubscriberKey, list[Assignment]] = defaultdict(list)
    for key, holders in (await products_by_subscriber(tx, list(keys.values()))).items():
        taken[key] = [one for product in holders for one in product.assignments if one.subscriber_key == key]
    plans = await catalog.versions_by_code(tx, codes=sorted({row.offering for row in rows}))
    held = defaultdict(list, {account_id: list(found) for account_id, found in products.items()})
    return _Batch(now, by_prefix, plans, known, keys, held, taken)


def _sold(row: SubscriberRow, batch: _Batch) -> PlanVersion:
    version = in_force(batch.plans.get(row.offering, ()), row.activated_at)
    if version is None:
        raise NotFound(
            f"the offering {row.offering} is not sold at that time",
            code="inventory.offering_unknown",
            field="offering",
            fix="publish its plan first, with an earlier valid_from",
        )
    return version


def _decide(row: SubscriberRow, batch: _Batch) -> bool:
    """Put what the row adds into the batch; return False where it is there already."""
    version = _sold(row, batch)
    account = batch.known.get(row.account)
    keys = [batch.keys[value] for _, value in row.identifiers]
    if account is not None and same_product(row, version.offering_id, keys, batch.products[account.id]):
        return False
    assignments = tuple(
        Assignment(key, kind, row.activated_at, row.ended_at)
        for key, (kind, _) in zip(keys, row.identifiers, strict=True)
        if row.ended_at != row.activated_at
    )
    for one in assignments:
        check_free(one, batch.taken[one.subscriber_key])
    if account is None:
        account = _open_account(row, version, batch)
    elif account.currency.code != version.plan.currency:
        raise Conflict(
            "the plan is in another currency than the account",
            code="inventory.currency_mismatch",
            field="offering",
        )
    product = Product(
        ProductId(uuid7(batch.now)),
        account.id,
        version.offering_id,
        row.activated_at,
        (PlanChange(row.activated_at, version.id),),
        row.ended_at,
        assignments,
    )
    batch.new_products.append(product)
    batch.products[account.id].append(product)
    for one in assignments:
        batch.taken[one.subscriber_key].append(one)
    return True


def _seller(row: SubscriberRow, version: PlanVersion, batch: _Batch) -> LegalEntity:
    entity = batch.entities.get(row.legal_entity)
    if entity is None:
        raise NotFound(
            "no company of the tenant has this number prefix",
            code="tenant.legal_entity_unknown",
            field="legal_entity",
        )
    if entity.currency.code != version.plan.currency:
        raise Conflict(
            "the plan is in another currency than the company's books",
            code="inventory.currency_mismatch",
            field="offering",
        )
    return entity


def _open_account(row: SubscriberRow, version: PlanVersion, batch: _Batch) -> BillingAccount:
    entity = _seller(row, version, batch)
    party = Party(
        PartyId(uuid7(batch.now)),
        row.kind,
        row.name,
        row.address,
        row.language,
        batch.now,
        tuple(ContactMedium(ContactKind(kind), value) for kind, value in row.contacts),
        row.vat_id,
    )
    account = BillingAccount(
        AccountId(uuid7(batch.now)),
        row.account,
        party.id,
        entity.id,
        entity.currency,
        row.cycle_day,
        row.zone,
        row.language,
        row.tax_class,
        row.activated_at,
        region=row.address.region,
        segment=row.segment,
    )
    accounts.check_tax_class(account, party)
    batch.new_parties.append(party)
    batch.new_accounts.append(account)
    batch.known[row.account] = account
    return account
