"""The pure core of payment: open items, payments, allocation. Import its public names from here."""

from farwire.payment.model.item import Credit, CreditKind, ItemKind, Match, OpenItem, settle

__all__ = ["Credit", "CreditKind", "ItemKind", "Match", "OpenItem", "settle"]
