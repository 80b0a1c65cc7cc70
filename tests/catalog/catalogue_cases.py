"""A catalogue file and a price plan for the tests of this folder."""

from __future__ import annotations

FILE = """
valid_from = 2026-06-01T00:00:00+02:00

[[resource_specifications]]
code = "mobile-number"
name = "Mobile number"
kind = "msisdn"

[[service_specifications]]
code = "mobile-line"
name = "Mobile line"
resources = [{ kind = "msisdn", pool = "msisdn", specification = "mobile-number" }]
operations = [{ adapter = "hlr", operation = "subscriber_profile" }]

[[product_specifications]]
code = "mobile"
name = "Mobile"
services = ["mobile-line"]
characteristics = [{ name = "sim", values = ["esim", "card"], default = "esim", mandatory = true }]

[[offerings]]
code = "flex-m"
name = "Flex M"
product_specification = "mobile"
sim = "postpaid"
eligibility = { regions = ["DE"], channels = ["shop", "web"] }
terms = { minimum_term_months = 24, notice_days = 30, withdrawal_days = 14, early_termination_fee = "50.00" }

[[offerings]]
code = "family"
name = "Family"
bundle = [{ offering = "flex-m", minimum = 2, maximum = 5, default = 2 }]
"""


def plan(code: str, price: str = "20.00", start: str = "2026-06-01") -> str:
    """Return a price plan with one monthly price."""
    return (
        f'offering = "{code}"\nname = "{code}"\nvalid_from = {start}T00:00:00Z\ncurrency = "EUR"\n'
        f'zone = "Europe/Berlin"\nprices_include_tax = false\n[[recurring]]\nid = "monthly"\nprice = "{price}"\n'
    )
