"""Play day A for both operators and compare everything with the truth of the story."""

from __future__ import annotations

from pathlib import Path

from farwire.demo.checklist import Checklist, Played
from farwire.demo.day_a.invoice import bill
from farwire.demo.day_a.june import use
from farwire.demo.day_a.launch import launch
from farwire.demo.day_a.payment import pay
from farwire.demo.day_a.prepaid import use_prepaid
from farwire.demo.day_a.sale import sell
from farwire.demo.day_a.stage import House
from farwire.demo.day_a.story import TWINS


async def play_day_a(house: House) -> Played:
    """Play the day. Idempotent: played again it finds everything done and checks the same; interrupted, it goes on."""
    checks = Checklist()
    invoices: dict[str, tuple[str, Path]] = {}
    for twin in TWINS:
        stage = await launch(house=house, twin=twin, checks=checks)
        sold = await sell(stage)
        await use(stage, sold)
        invoice = await bill(stage, sold)
        await pay(stage, sold, invoice)
        await use_prepaid(stage)
        number = invoice.number or ""
        invoices[twin.tenant] = number, stage.folder / f"{number}.pdf"
    return Played("Day A: from an offer to a paid bill", checks, invoices)
