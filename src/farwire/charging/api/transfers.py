"""Transfers between virtual shards as HTTP shows them."""

from __future__ import annotations

import msgspec

from farwire.base.web import MoneyDocument, timestamp
from farwire.charging.api.documents import shown
from farwire.charging.model.transfers import Transfer
from farwire.charging.service import words


class TransferDocument(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Money that went, or is on its way, to an account of another virtual shard."""

    id: str
    payer: str
    payee: str
    amount: MoneyDocument
    state: str
    """asked, taken (from the payer), done; refused (by the payer); returning, returned (the payee cannot take it)."""
    asked_at: str
    changed_at: str
    reason: str = ""


def transfer_document(one: Transfer, code: str) -> TransferDocument:
    """Return a transfer; with the reason in words where one of the two accounts refused."""
    return TransferDocument(
        id=str(one.id),
        payer=str(one.payer),
        payee=str(one.payee),
        amount=shown(one.amount, code),
        state=one.state.value,
        asked_at=timestamp(one.asked_at),
        changed_at=timestamp(one.changed_at),
        reason=words(one.result)[0] if one.result else "",
    )
