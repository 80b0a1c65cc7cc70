"""What a customer's move to another place means for how it is taxed. Pure."""

from __future__ import annotations

from farwire.account.model.account import BillingAccount, TaxClass
from farwire.party.model import Party, PartyKind
from farwire.tenant.model import Address, LegalEntity


def tax_class_at(
    account: BillingAccount, party: Party, entity: LegalEntity, before: Address, after: Address
) -> TaxClass:
    """Return the tax class of an account whose customer moves from ``before`` to ``after``.

    Only another country changes it. A business customer with a VAT id owes the tax itself where the seller is not
    registered (directive 2006/112/EC art. 44 and 196); back home, or where the seller has a VAT id, it is taxed as
    anybody. Exemption is the customer's own and goes with it. A reverse charge at home has its own reason and stays
    while the customer stays.
    """
    if account.tax_class is TaxClass.EXEMPT or before.country == after.country:
        return account.tax_class
    business = party.kind is PartyKind.ORGANIZATION and bool(party.vat_id)
    return (
        TaxClass.REVERSE_CHARGE
        if business and not entity.is_registered_in(after.country)
        else TaxClass.STANDARD
    )
