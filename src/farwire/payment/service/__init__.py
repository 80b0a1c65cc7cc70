"""Use cases of payment."""

from farwire.payment.service.items import add_open_items

__all__ = ["add_open_items"]
