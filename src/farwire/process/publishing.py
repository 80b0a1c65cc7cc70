"""Publish what a file holds, a price plan or a catalogue file, after rating and the tax categories are checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from farwire.activation import service as activation
from farwire.base.clock import Clock
from farwire.base.storage import Tx
from farwire.catalog import service as catalog
from farwire.catalog.model import Catalogue, PricePlan, ServiceSpecification
from farwire.catalog.service import OPERATOR
from farwire.country.model import CountryPack
from farwire.country.service import load_pack, pack_codes
from farwire.inventory import service as inventory
from farwire.kernel.errors import Invalid, NotFound
from farwire.kernel.tenancy import Actor
from farwire.rating import service as rating
from farwire.tenant import service as tenants

_STANDARD: Final = "standard"
"""What a plan means that names none: no pack lists it, billing takes it for what an operator sells."""


@dataclass(frozen=True, slots=True)
class PublishedVersion:
    """A version that is there now: ``new``, or published before with the same content."""

    kind: str
    code: str
    number: int
    digest: str
    new: bool


@dataclass(frozen=True, slots=True)
class PublishedDocument:
    """The outcome of publishing a file.

    ``publication_id`` is that of a catalogue file that had something new, ``plan_version_id`` that of a price plan.
    ``missing_decks`` are the decks that a plan waits for.
    """

    versions: tuple[PublishedVersion, ...]
    publication_id: UUID | None = None
    plan_version_id: UUID | None = None
    missing_decks: tuple[str, ...] = ()

    @property
    def new(self) -> bool:
        """Return whether anything was new."""
        return any(version.new for version in self.versions)


async def publish_document(
    *, tx: Tx, clock: Clock, document: PricePlan | Catalogue, name: str = "", actor: Actor = OPERATOR
) -> PublishedDocument:
    """Publish a price plan or a catalogue file, all of it or nothing; the same content again changes nothing.

    Raises ``Invalid`` (``catalog.tax_category_unknown``, ``catalog.adapter_unknown``, ``catalog.pool_unknown``), and
    what ``catalog.publish_plan``, ``catalog.publish_catalogue`` and compiling a plan raise.
    """
    if isinstance(document, Catalogue):
        await _check_network(tx, document)
        done = await catalog.publish_catalogue(tx=tx, clock=clock, file=document, name=name, actor=actor)
        versions = tuple(
            PublishedVersion(
                item.version.entry.kind.value,
                item.version.entry.code,
                item.version.number,
                item.version.digest,
                item.new,
            )
            for item in done.items
        )
        return PublishedDocument(versions, publication_id=done.publication_id)
    rating.check_compiles(document)
    await _check_taxes(tx, document)
    missing = await rating.missing_decks(tx=tx, plan=document)
    published = await catalog.publish_plan(tx=tx, clock=clock, plan=document, actor=actor)
    version = published.version
    one = PublishedVersion("price_plan", document.offering, version.number, version.digest, published.new)
    return PublishedDocument((one,), plan_version_id=version.id, missing_decks=tuple(missing))


async def _check_network(tx: Tx, file: Catalogue) -> None:
    """Refuse services that name an adapter or a pool that there is not; one named by a place is looked for later."""
    for number, one in enumerate(file.service_specifications):
        path = f"service_specifications[{number}]"
        for i, operation in enumerate(one.operations):
            try:
                await activation.reach(tx, operation.adapter)
            except Invalid as why:
                code, message = (
                    "catalog.adapter_unknown",
                    f"{one.code}: there is no adapter {operation.adapter}",
                )
                field, value = f"{path}.operations[{i}].adapter", operation.adapter
                raise Invalid(message, code=code, field=field, value=value, fix=why.fix) from None
        await _check_pools(tx, path, one)


async def _check_pools(tx: Tx, path: str, service: ServiceSpecification) -> None:
    named = {
        f"{path}.resources[{i}].{f'otherwise[{n - 1}]' if n else 'pool'}": pool
        for i, need in enumerate(service.resources)
        for n, pool in enumerate((need.pool, *need.otherwise))
        if "{" not in pool
    }
    there = await inventory.left_in(tx, pools=sorted(set(named.values())), at_most=1)
    for field, pool in named.items():
        if pool not in there:
            message, fix = f"{service.code}: there is no pool {pool}", f"farwire pool create {pool} --kind …"
            raise Invalid(message, code="catalog.pool_unknown", field=field, value=pool, fix=fix)


async def _check_taxes(tx: Tx, plan: PricePlan) -> None:
    """Refuse a tax category that no company of the tenant could bill, as far as the packs of their countries tell."""
    companies = (await tenants.legal_entities(tx)).values()
    countries = {country for one in companies for country in (one.country, *one.vat_ids)}
    if not countries or not countries <= set(pack_codes()):
        return
    packs = [load_pack(country) for country in sorted(countries)]
    named = [
        *((f"recurring[{number}].tax", one.tax) for number, one in enumerate(plan.recurring)),
        *((f"one_off[{number}].tax", one.tax) for number, one in enumerate(plan.one_off)),
        *((f"usage[{number}].tax", one.tax) for number, one in enumerate(plan.usage)),
    ]
    for path, category in named:
        refused = [why for pack in packs if (why := _unknown(pack, category)) is not None]
        if len(refused) == len(packs):
            raise Invalid(
                "; ".join(why.message for why in refused),
                code="catalog.tax_category_unknown",
                field=path,
                value=category,
                fix="; ".join(f"{pack.code}: {why.fix}" for pack, why in zip(packs, refused, strict=True)),
            )


def _unknown(pack: CountryPack, category: str) -> NotFound | None:
    """Return why ``pack`` cannot tax ``category``."""
    if category == _STANDARD:
        return None
    try:
        pack.tax_category(category)
    except NotFound as why:
        return why
    return None
