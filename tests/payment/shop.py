"""Batches of vouchers for tests: made with their print file, sold, used."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from farwire.kernel.ids import LegalEntityId
from farwire.payment.model import MethodKind
from farwire.payment.model.voucher import Alphabet, Answer, Asked, BatchOrder, Buyer, Sale, SerialRange
from farwire.payment.service import voucher as vouchers
from farwire.payment.service.voucher import Generated

from .till import ANNA, BEN, Till, eur

FROM = datetime(2026, 6, 1, tzinfo=UTC)
UNTIL = datetime(2027, 6, 1, tzinfo=UTC)
CASH = Buyer(method=MethodKind.CASH)


@dataclass
class Shop:
    """Vouchers of one tenant; ``codes`` are those of the print files, by serial number."""

    till: Till
    folder: Path
    codes: dict[int, str] = field(default_factory=dict)
    asked: int = 0

    async def order(
        self, key: str = "spring", quantity: int = 5, value: str = "10.00", **more: object
    ) -> BatchOrder:
        entity = self.till.entity or await self.till.company()
        given: dict[str, object] = {
            "valid_from": FROM,
            "valid_until": UNTIL,
            "alphabet": Alphabet.DIGITS,
            "length": 16,
        } | more
        return BatchOrder(key, LegalEntityId(entity.id), quantity, eur(value), **given)  # type: ignore[arg-type]

    async def make(
        self, key: str = "spring", quantity: int = 5, value: str = "10.00", **more: object
    ) -> Generated:
        file = self.folder / f"{key}.csv"
        made = await vouchers.generate(
            db=self.till.db,
            clock=self.till.clock,
            tenant_id=self.till.tenant_id,
            order=await self.order(key, quantity, value, **more),
            file=file,
            actor=ANNA,
            report=lambda _: None,
        )
        if file.exists():
            with file.open(newline="") as opened:
                self.codes |= {int(row["serial"]): row["code"] for row in csv.DictReader(opened)}
        return made

    async def sell(
        self, key: str = "spring", first: int = 0, last: int = 0, buyer: Buyer = CASH
    ) -> Sale | None:
        serials = SerialRange(first, last) if first else None
        async with self.till.db.transaction(self.till.tenant_id) as tx:
            return await vouchers.activate(
                tx, batch=key, serials=serials, buyer=buyer, now=self.till.clock.now(), actor=BEN
            )

    async def use(
        self, code: str, subscriber: str = "4915112345678", key: str = "", client: str = "ussd"
    ) -> Answer:
        self.asked += 1
        asked = Asked(client, key or f"k{self.asked}", subscriber)
        async with self.till.db.transaction(self.till.tenant_id) as tx:
            return await vouchers.redeem(tx, code=code, asked=asked, now=self.till.clock.now())

    async def sound(self) -> None:
        """Fail unless vouchers and books say the same."""
        async with self.till.db.transaction(self.till.tenant_id) as tx:
            controls = await vouchers.check_vouchers(tx)
        assert [one for one in controls if not one.ok] == []
        await self.till.sound()
