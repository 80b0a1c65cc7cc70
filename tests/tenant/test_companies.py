"""Companies of a tenant: registrations, bank accounts, number series, charts of accounts, two of them side by side."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.kernel.errors import Conflict, FarwireError, Invalid, NotFound
from farwire.kernel.ids import TenantId
from farwire.tenant import service
from farwire.tenant.model import (
    Address,
    BankAccount,
    CompanyChange,
    DocumentKind,
    LegalEntity,
    NumberSeries,
    changed_company,
    check_iban,
)

IBAN = "DE89 3704 0044 0532 0130 00"


async def company(
    db: Database, clock: MovableClock, tenant_id: TenantId, prefix: str = "NL", country: str = "DE"
) -> LegalEntity:
    return await service.add_legal_entity(
        db=db, clock=clock, tenant_id=tenant_id, name=f"{prefix} GmbH", vat_id="DE123456789",
        address=Address(country, {"city": "Kiel"}), country=country,
        currency_code="EUR" if country == "DE" else "NGN", zone_name="Europe/Berlin", number_prefix=prefix,
    )  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["DE89370400440532013000", IBAN, "gb82 west 1234 5698 7654 32", "FR14 2004 1010 0505 0001 3M02 606",
     "NL91ABNA0417164300", "NO9386011117947"],
)  # fmt: skip
def test_an_iban_of_the_standard_is_taken(text: str) -> None:
    assert check_iban(text) == text.replace(" ", "").upper()


@given(st.integers(2, 21), st.integers(1, 9))
def test_an_iban_with_one_wrong_digit_is_refused(place: int, shift: int) -> None:
    plain = check_iban(IBAN)
    wrong = str((int(plain[place]) + shift) % 10)
    with pytest.raises(Invalid) as raised:
        check_iban(plain[:place] + wrong + plain[place + 1 :])
    assert raised.value.code == "tenant.iban"


@given(st.integers(2, 20))
def test_an_iban_with_two_neighbours_exchanged_is_refused(place: int) -> None:
    plain = check_iban(IBAN)
    wrong = plain[:place] + plain[place + 1] + plain[place] + plain[place + 2 :]
    if wrong != plain:
        with pytest.raises(Invalid):
            check_iban(wrong)


async def test_a_company_gets_what_it_has_and_its_invoices_show_the_default_bank(
    db: Database, clock: MovableClock, tenant_id: TenantId, other_tenant_id: TenantId
) -> None:
    one = await company(db, clock, tenant_id)
    change = CompanyChange(
        vat_ids={"FR": "FR12345678901", "AT": "ATU12345678"},
        bank_accounts=(
            BankAccount("main", "de89370400440532013000", is_default=True),
            BankAccount("lagos", "0123456789 Zenith", is_iban=False),
        ),
        series=(NumberSeries(DocumentKind.CREDIT_NOTE, "NLG", yearly=False),),
        payment_days=30,
    )
    async with db.transaction(tenant_id) as tx:
        after = await service.change_legal_entity(
            tx, legal_entity_id=one.id, change=change, now=clock.now(), expected_version=1
        )
        again = await service.change_legal_entity(tx, legal_entity_id=one.id, change=change, now=clock.now())
        assert await service.legal_entities(tx) == {one.id: after}
    assert (again, after.version, after.bank_account) == (after, 2, IBAN)
    assert after.series_of(DocumentKind.CREDIT_NOTE) == NumberSeries(
        DocumentKind.CREDIT_NOTE, "NLG", yearly=False
    )
    assert after.series_of(DocumentKind.INVOICE) == NumberSeries(DocumentKind.INVOICE, "NL")
    assert [after.vat_id_in(c) for c in ("FR", "DE", "US")] == ["FR12345678901", "DE123456789", "DE123456789"]
    assert [after.tax_country(c) for c in ("FR", "DE", "US", "")] == ["FR", "DE", "DE", "DE"]
    assert [after.is_registered_in(c) for c in ("FR", "DE", "US", "")] == [True, True, False, True]
    with pytest.raises(Conflict):
        async with db.transaction(tenant_id) as tx:
            await service.change_legal_entity(
                tx,
                legal_entity_id=one.id,
                change=CompanyChange(name="X"),
                now=clock.now(),
                expected_version=1,
            )
    with pytest.raises(NotFound):
        async with db.transaction(other_tenant_id) as tx:
            await service.change_legal_entity(tx, legal_entity_id=one.id, change=change, now=clock.now())


MAIN = BankAccount("main", IBAN, is_default=True)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (CompanyChange(name=" "), "tenant.text"),
        (CompanyChange(payment_days=366), "tenant.payment_days"),
        (CompanyChange(vat_ids={"DE": "DE1"}), "tenant.country"),
        (CompanyChange(vat_ids={"France": "FR1"}), "tenant.country"),
        (CompanyChange(vat_ids={"FR": ""}), "tenant.text"),
        (CompanyChange(bank_accounts=(replace(MAIN, number="DE88370400440532013000"),)), "tenant.iban"),
        (CompanyChange(bank_accounts=(replace(MAIN, is_default=False),)), "tenant.bank_default"),
        (CompanyChange(bank_accounts=(MAIN, replace(MAIN, is_default=False))), "tenant.bank_label"),
        (CompanyChange(series=(NumberSeries(DocumentKind.INVOICE, "nl"),)), "tenant.number_prefix"),
        (
            CompanyChange(series=tuple(NumberSeries(kind, "NL") for kind in DocumentKind)),
            "tenant.series",
        ),
    ],
)
async def test_what_no_invoice_could_show_is_refused(
    db: Database, clock: MovableClock, tenant_id: TenantId, change: CompanyChange, code: str
) -> None:
    one = await company(db, clock, tenant_id)
    with pytest.raises(FarwireError) as raised:
        changed_company(one, change)
    assert raised.value.code == code


async def test_two_companies_never_number_alike(
    db: Database, clock: MovableClock, tenant_id: TenantId
) -> None:
    one = await company(db, clock, tenant_id)
    clock.advance(timedelta(seconds=1))
    two = await company(db, clock, tenant_id, "LG", "NG")
    async with db.transaction(tenant_id) as tx:
        assert list(await service.legal_entities(tx)) == [one.id, two.id]
        for prefix in ("NL", "NLCN"):
            series = (NumberSeries(DocumentKind.CREDIT_NOTE, prefix),)
            with pytest.raises(Conflict) as raised:
                await service.change_legal_entity(
                    tx, legal_entity_id=two.id, change=CompanyChange(series=series), now=clock.now()
                )
            assert raised.value.code == "tenant.number_prefix_taken"
    with pytest.raises(Conflict):
        await company(db, clock, tenant_id, "NLCN")
    async with db.transaction(tenant_id) as tx:
        assert list(await service.legal_entities(tx)) == [one.id, two.id]
