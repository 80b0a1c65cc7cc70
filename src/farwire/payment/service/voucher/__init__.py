"""Use cases of vouchers: make, sell, block, use, expire, look at, prove."""

from farwire.payment.service.voucher.changing import change_vouchers, expire_vouchers
from farwire.payment.service.voucher.generating import Generated, generate
from farwire.payment.service.voucher.reading import (
    VoucherControl,
    VoucherFacts,
    batch_with_id,
    check_vouchers,
    count_waiting,
    get_batch,
    get_voucher,
    list_attempts,
    list_batches,
    list_credit_orders,
    list_locked,
    list_vouchers,
    open_credits,
)
from farwire.payment.service.voucher.redeeming import (
    credit_addressed,
    credit_confirmed,
    get_credit_order,
    redeem,
)
from farwire.payment.service.voucher.selling import activate

__all__ = [
    "Generated",
    "VoucherControl",
    "VoucherFacts",
    "activate",
    "batch_with_id",
    "change_vouchers",
    "check_vouchers",
    "count_waiting",
    "credit_addressed",
    "credit_confirmed",
    "expire_vouchers",
    "generate",
    "get_batch",
    "get_credit_order",
    "get_voucher",
    "list_attempts",
    "list_batches",
    "list_credit_orders",
    "list_locked",
    "list_vouchers",
    "open_credits",
    "redeem",
]
