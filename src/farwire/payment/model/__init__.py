"""The pure core of payment: open items, payments, allocation, refunds. Import its public names from here."""

from farwire.payment.model.gateway import (
    Charge,
    ChargeState,
    Notice,
    next_question,
    parse_notice,
    signature_of,
)
from farwire.payment.model.item import Credit, CreditKind, ItemKind, Match, OpenItem, settle, settle_accounts
from farwire.payment.model.method import MethodKind, PaymentMethod, refuse_card_number
from farwire.payment.model.payment import Payment, PaymentState, Refund, RefundState, clearing_book
from farwire.payment.model.posting import (
    allocation_entry,
    assignment_entry,
    receipt_entry,
    refund_entry,
    refund_paid_entry,
    reversal_entry,
)
from farwire.payment.model.report import BUCKETS, Ageing, Movement, Standing, Statement, bucket_of

__all__ = [
    "BUCKETS",
    "Ageing",
    "Charge",
    "ChargeState",
    "Credit",
    "CreditKind",
    "ItemKind",
    "Match",
    "MethodKind",
    "Movement",
    "Notice",
    "OpenItem",
    "Payment",
    "PaymentMethod",
    "PaymentState",
    "Refund",
    "RefundState",
    "Standing",
    "Statement",
    "allocation_entry",
    "assignment_entry",
    "bucket_of",
    "clearing_book",
    "next_question",
    "parse_notice",
    "receipt_entry",
    "refund_entry",
    "refund_paid_entry",
    "refuse_card_number",
    "reversal_entry",
    "settle",
    "settle_accounts",
    "signature_of",
]
