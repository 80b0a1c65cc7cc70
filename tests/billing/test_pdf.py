"""The PDF: read back by a third-party reader."""

import asyncio
import hashlib
import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pypdf import PdfReader

from farwire.account.model import TaxClass
from farwire.billing import service as billing
from farwire.billing.model import Bill
from farwire.billing.rendering.fonts import BOLD, REGULAR, Fonts
from farwire.tenant.model import Address

from .world import World


async def bill_with_usage(world: World, records: int = 4, **options: object) -> Bill:
    account = await world.account(**options)  # type: ignore[arg-type]
    product = await world.product(account, await world.plan())
    for n in range(records):
        at = f"2026-06-{12 + n % 18}T{n % 24:02}:{n % 60:02}:00Z"
        await world.rated(
            product, "other", "0.27", at=at, quantity=180, destination="431" + f"{n:07}", label="Other voice"
        )
    await world.rated(
        product, "roaming", "5.00", at="2026-06-20T10:00Z", quantity=100_000_000, kind="data", destination=""
    )
    await world.run()
    return await world.only_bill()


async def text_of(world: World, bill: Bill) -> tuple[str, PdfReader, bytes]:
    pdf = await billing.render_pdf(db=world.db, tenant_id=world.tenant_id, bill=bill)
    if folder := os.environ.get("KEEP_PDF"):
        (Path(folder) / f"{bill.account_number}-{bill.language}.pdf").write_bytes(pdf.content)
    reader = PdfReader(io.BytesIO(pdf.content))
    assert len(reader.pages) == pdf.pages
    return "\n".join(page.extract_text() for page in reader.pages), reader, pdf.content


async def test_a_german_invoice_says_everything_the_law_asks(world: World) -> None:
    bill = await bill_with_usage(world)
    text, reader, _ = await text_of(world, bill)
    for part in (
        "Rechnung", "NL-2026-0000001", "01.07.2026", "01.06.2026 – 30.06.2026", "100001", "Anna Jürgensen",
        "Deichstraße 5", "20459 Hamburg", "Nordlicht Mobil GmbH", "Hafenstraße 1", "DE123456789", "DE89 3704",
        "Activation", "20 von 30 Tagen", "01.07.2026 – 31.07.2026", "13,33 €", "20,00 €", "100 MB", "12 min",
        "19 %", "Summe netto", "15.07.2026", "Seite 1 von 2", "Seite 2 von 2", "Einzelverbindungsnachweis",
        "4310000xxx", "0,27 EUR",
    ):  # fmt: skip
        assert part in text, part
    assert f"{bill.total_minor / 100:.2f}".replace(".", ",") + " €" in text
    assert "4310000000" not in text
    assert len(reader.pages) == 2


@pytest.mark.rigs
async def test_a_second_reader_sees_the_same_and_finds_no_fault(
    world: World, require_rig: Callable[[str], Path]
) -> None:
    pdftotext = require_rig("pdftotext")
    _, _, content = await text_of(world, await bill_with_usage(world))
    command = [str(pdftotext), "-layout", "-", "-"]
    read = await asyncio.to_thread(subprocess.run, command, input=content, capture_output=True, check=True)
    assert read.stderr == b""
    text = read.stdout.decode()
    for part in ("NL-2026-0000001", "Deichstraße 5", "13,33 €", "Seite 2 von 2"):
        assert part in text, part


async def test_an_english_invoice_writes_dates_in_english(world: World) -> None:
    text, _, _ = await text_of(world, await bill_with_usage(world, 1, language="en-GB"))
    for part in (
        "Invoice",
        "1 July 2026",
        "Payable by",
        "15 July 2026",
        "Page 1 of 2",
        "20 of 30 days",
        "once",
    ):
        assert part in text, part


async def test_the_fonts_are_embedded(world: World) -> None:
    _, reader, _ = await text_of(world, await bill_with_usage(world))
    fonts = [font.get_object() for page in reader.pages for font in page["/Resources"]["/Font"].values()]  # type: ignore[index]
    embedded = [font for font in fonts if "/FontDescriptor" in font]
    assert embedded
    assert all("/FontFile2" in font["/FontDescriptor"] for font in embedded)
    used = {font["/BaseFont"] for font in fonts}
    assert {name for name in used if "Vera" not in name} <= {"/Helvetica"}


async def test_the_same_bill_gives_the_same_bytes(world: World) -> None:
    bill = await bill_with_usage(world)
    digests = set()
    for _ in range(2):
        _, _, content = await text_of(world, bill)
        digests.add(hashlib.sha256(content).hexdigest())
    assert len(digests) == 1


async def test_many_records_go_over_many_pages_and_each_is_there(world: World) -> None:
    bill = await bill_with_usage(world, 150)
    text, reader, _ = await text_of(world, bill)
    assert len(reader.pages) >= 4
    assert text.count("0,27 EUR") == 150
    assert f"Seite {len(reader.pages)} von {len(reader.pages)}" in text


async def test_a_long_name_and_a_foreign_script_neither_break_nor_vanish(world: World) -> None:
    name = "Ştefan Dvořák-Őry 王小明 " + "Donaudampfschifffahrtsgesellschaft" * 4
    address = Address("CN", {"street": "长安街 1", "city": "北京"})
    text, _, _ = await text_of(world, await bill_with_usage(world, name=name, address=address))
    assert "Ştefan Dvorák-Ory ???" in text.replace("\n", " ")


async def test_a_customer_abroad_gets_the_address_of_home_and_the_words_of_both_laws(world: World) -> None:
    address = Address("FR", {"street": "12 rue de la République", "postcode": "69002", "city": "Lyon"})
    vat = {"tax_class": TaxClass.REVERSE_CHARGE, "vat_id": "FR12345678901", "language": "en-GB"}
    text, _, _ = await text_of(
        world, await bill_with_usage(world, 1, address=address, name="Söhne SA", **vat)
    )
    flat = text.replace("\n", " ")
    assert "Söhne SA 12 rue de la République 69002 " in flat
    for part in (
        "FRANCE",
        "Reverse charge: the customer",
        "Steuerschuldnerschaft",
        "FR12345678901",
        "0,00 €",
    ):
        assert part in flat, part


def test_what_no_font_has_is_reported() -> None:
    fonts = Fonts()
    assert "".join(part for _, part in fonts.runs("Dvořák −5 王", REGULAR)) == "Dvorák −5 ?"
    assert fonts.missing == {"ř", "王"}
    assert "".join(part for _, part in fonts.runs("a\u0000b\u202e", BOLD)) == "ab"


def test_reportlab_is_not_loaded_until_something_is_drawn() -> None:
    code = "import farwire.billing.service, sys; sys.exit('reportlab' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("number", ["NL-2026-0000001", "draft"])
async def test_a_bill_is_found_by_its_number(world: World, number: str) -> None:
    bill = await bill_with_usage(world, 1)
    if number == "draft":
        number = str(bill.id)
    assert (await billing.get_bill(db=world.db, tenant_id=world.tenant_id, key=number)).id == bill.id
