"""Use cases of payment: open items, payments, allocation, refunds, methods, gateways, reports.

``voucher`` has those of vouchers.
"""

from farwire.payment.service.asking import ask_gateways
from farwire.payment.service.charging import (
    expire_charge,
    find_charge,
    hear_notice,
    take_payment,
)
from farwire.payment.service.erasing import TopUps, erase_top_ups, top_ups_of
from farwire.payment.service.gateways import (
    gateway_secret,
    gateways,
    new_gateway_secret,
    set_gateway_secret,
)
from farwire.payment.service.items import add_open_items, items_of_documents, list_open_items
from farwire.payment.service.methods import add_method, get_method, list_methods, remove_method
from farwire.payment.service.receiving import (
    ReferenceReused,
    allocate_payment,
    assign_payment,
    get_payment,
    list_payments,
    payment_items,
    receive_payment,
)
from farwire.payment.service.refunding import (
    approve_refund,
    deny_refund,
    get_refund,
    list_refunds,
    request_credit_refund,
    request_refund,
)
from farwire.payment.service.reporting import ageing, ageing_totals, standing, statement
from farwire.payment.service.reversing import reverse_payment
from farwire.payment.service.settling import apply_credit
from farwire.payment.service.topping_up import top_up, topup_taken_back
from farwire.payment.service.voucher import credit_addressed, credit_confirmed, get_credit_order

__all__ = [
    "ReferenceReused",
    "TopUps",
    "add_method",
    "add_open_items",
    "ageing",
    "ageing_totals",
    "allocate_payment",
    "apply_credit",
    "approve_refund",
    "ask_gateways",
    "assign_payment",
    "credit_addressed",
    "credit_confirmed",
    "deny_refund",
    "erase_top_ups",
    "expire_charge",
    "find_charge",
    "gateway_secret",
    "gateways",
    "get_credit_order",
    "get_method",
    "get_payment",
    "get_refund",
    "hear_notice",
    "items_of_documents",
    "list_methods",
    "list_open_items",
    "list_payments",
    "list_refunds",
    "new_gateway_secret",
    "payment_items",
    "receive_payment",
    "remove_method",
    "request_credit_refund",
    "request_refund",
    "reverse_payment",
    "set_gateway_secret",
    "standing",
    "statement",
    "take_payment",
    "top_up",
    "top_ups_of",
    "topup_taken_back",
]
