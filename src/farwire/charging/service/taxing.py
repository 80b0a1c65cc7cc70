"""The tax that a movement of prepaid money bears: by the account's company, class and place, what was sold, the day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from fractions import Fraction
from typing import Final

from farwire.account import service as accounts
from farwire.account.model import (
    BillingAccount,
    FormerContexts,
    TaxClass,
    TaxContext,
    context_at,
    shares_of,
    sold_as,
)
from farwire.account.model.taxation import STANDARD
from farwire.base.storage import Tx
from farwire.catalog import service as catalog
from farwire.catalog.model import PlanVersion
from farwire.charging.model.answers import Movement, MovementKind
from farwire.charging.model.taxing import Earned, Tax, earns
from farwire.charging.service.terms import OFFER, PLAN
from farwire.charging.store import control
from farwire.charging.store.books import Owner, Placed
from farwire.country.model import TaxComponent
from farwire.country.model.tax import TaxExternal, TaxUnknown
from farwire.kernel.ids import AccountId
from farwire.kernel.time import local_date
from farwire.ledger.model import Book, first_of_month
from farwire.party import service as parties
from farwire.tenant.model import LegalEntity

NONE: Final = Fraction(0)
PREPAID: Final = "_prepaid"
"""A pack may have a category of its own for what is prepaid: ``telecom_prepaid``."""


class Taxes:
    """The taxes of the accounts of one batch, each found once."""

    def __init__(
        self,
        contexts: Mapping[int, tuple[TaxContext, FormerContexts]],
        owners: Mapping[int, Owner],
        plans: Mapping[int, str],
        offers: Mapping[int, str],
    ) -> None:
        self._contexts = contexts
        self._owners = owners
        self._plans = plans
        self._offers = offers
        self._known: dict[tuple[int, str, date], Tax] = {}

    @classmethod
    async def load(
        cls,
        tx: Tx,
        movements: Sequence[Movement],
        owners: Mapping[int, Owner],
        entities: Mapping[int, LegalEntity],
        billed: Mapping[AccountId, BillingAccount],
    ) -> Taxes:
        """Return what taxes ``movements`` bear. Raises what reading of accounts, customers and plans raises."""
        customers = sorted({one.party_id for one in billed.values()})
        people = await parties.get_parties(tx=tx, party_ids=customers) if customers else {}
        known: accounts.Contexts = {}
        contexts: dict[int, tuple[TaxContext, FormerContexts]] = {}
        for number in {one.account for one in movements}:
            account_id, entity = owners[number].account_id, entities[number]
            account = None if account_id is None else billed.get(account_id)
            party = None if account is None else people.get(account.party_id)
            if account is None or party is None:
                seller = accounts.tax_context(TaxClass.STANDARD, entity.zone, entity, entity.address, known)
                contexts[number] = (seller, ())
            else:
                contexts[number] = accounts.tax_contexts(account, entity, party, known)
        plans = await _categories(tx, PLAN, {owners[number].plan for number in contexts})
        bought = {one.reason for one in movements if one.kind == MovementKind.PURCHASE}
        return cls(contexts, owners, plans, await _categories(tx, OFFER, bought))

    def earned_by(self, moved: Sequence[Placed]) -> Iterator[tuple[Earned, int]]:
        """Yield what movements earn, tax included, summed. A sum may come in parts."""
        # By the tax itself, not by its value: hashing fractions costs more than all the rest.
        sums: dict[tuple[Book, int], int] = {}
        taxes: dict[int, Tax] = {}
        for one in moved:
            book = earns(one.movement)
            if book is not None:
                tax = self.of(one.movement, one.at)
                key = (book, id(tax))
                taxes[id(tax)] = tax
                sums[key] = sums.get(key, 0) - one.movement.amount
        yield from ((Earned(book, taxes[place]), nano) for (book, place), nano in sums.items())

    def of(self, movement: Movement, at: datetime) -> Tax:
        """Return the tax that ``movement`` bears."""
        context = context_at(at, *self._contexts[movement.account])
        if movement.kind == MovementKind.PURCHASE:
            category = self._offers.get(movement.reason, STANDARD)
        else:
            category = self._plans.get(self._owners[movement.account].plan, STANDARD)
        key = (id(context), category, local_date(at, context.tz))
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = _tax(context, category, key[2])
        return found


def _tax(context: TaxContext, category: str, day: date) -> Tax:
    month, country = first_of_month(day), context.pack.code
    if context.tax_class is not TaxClass.STANDARD:
        return Tax(month, f"{country} {context.tax_class.value}", NONE)
    name = sold_as(category)
    if name + PREPAID in context.pack.tax.categories:
        name += PREPAID
    try:
        components = context.components(name, day)
    except (TaxUnknown, TaxExternal) as error:
        return Tax(month, f"{country} {name}: {error.code}", NONE)
    part = sum(shares_of(components), NONE)
    return Tax(month, f"{country} {name} {_rates(components)}".strip(), part / (1 + part))


def _rates(components: Sequence[TaxComponent]) -> str:
    return " + ".join(f"{one.name} {one.effective_percent.normalize():f} %" for one in components)


async def _categories(tx: Tx, kind: str, numbers: set[int]) -> dict[int, str]:
    """Return what plans or offers sell, by their numbers."""
    if not numbers:
        return {}
    versions = await control.plan_versions(tx, kind, sorted(numbers))
    sold = await catalog.plan_versions(tx, sorted(set(versions.values())))
    return {number: _category(kind, sold[version_id]) for number, version_id in versions.items()}


def _category(kind: str, version: PlanVersion) -> str:
    """Return the tax category of what a plan or an offer sells: where its prices have several, the standard one."""
    plan = version.plan
    charged = {one.tax for one in plan.recurring} | {one.tax for one in plan.one_off}
    found = {one.tax for one in plan.usage} if kind == PLAN else charged
    return found.pop() if len(found) == 1 else STANDARD
