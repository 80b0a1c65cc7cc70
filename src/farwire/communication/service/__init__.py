"""Use cases of communication: publish texts, send, hand over, take receipts, erase."""

from farwire.communication.service.builtin import builtin_templates, quiet_hours_of
from farwire.communication.service.deliver import (
    HandedOver,
    deliver_due,
    local_gateways,
    record_receipt,
)
from farwire.communication.service.gateway import Gateway
from farwire.communication.service.read import (
    erase_messages,
    expire_messages,
    get_message,
    list_messages,
    receipts_of,
    withdraw_messages,
)
from farwire.communication.service.send import send
from farwire.communication.service.templates import (
    find_template,
    has_template,
    list_templates,
    publish_template,
)

__all__ = [
    "Gateway",
    "HandedOver",
    "builtin_templates",
    "deliver_due",
    "erase_messages",
    "expire_messages",
    "find_template",
    "get_message",
    "has_template",
    "list_messages",
    "list_templates",
    "local_gateways",
    "publish_template",
    "quiet_hours_of",
    "receipts_of",
    "record_receipt",
    "send",
    "withdraw_messages",
]
