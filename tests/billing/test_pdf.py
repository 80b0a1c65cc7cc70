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
from msgspec import structs
from pypdf import PdfReader

from farwire.account.model import TaxClass
from farwire.base.config import Settings
from farwire.billing import service as billing
from farwire.billing.model import Bill
from farwire.billing.rendering import fonts as font_room
from farwire.billing.rendering.fonts import MAIN, fonts_in, printable
from farwire.billing.rendering.locale import Locale
from farwire.billing.rendering.words import WORDS
from farwire.country.service import load_pack
from farwire.inventory import service as inventory
from farwire.inventory.model import ResourceKind
from farwire.kernel.money import currency
from farwire.kernel.time import instant
from farwire.tenant.model import Address

from .test_credit import credited
from .test_note import ask, issue
from .variants import route, suspend
from .world import World

NBSP, NARROW = "\u00a0", "\u202f"


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
    report = await world.run()
    assert report.ok, report
    return await world.only_bill()


async def text_of(world: World, bill: Bill) -> tuple[str, PdfReader, bytes]:
    pdf = await billing.render_pdf(db=world.db, tenant_id=world.tenant_id, bill=bill)
    if folder := os.environ.get("KEEP_PDF"):
        (Path(folder) / f"{bill.account_number}-{bill.language}.pdf").write_bytes(pdf.content)
    reader = PdfReader(io.BytesIO(pdf.content))
    assert len(reader.pages) == pdf.pages
    text = "\n".join(page.extract_text() for page in reader.pages)
    return text.replace(NBSP, " "), reader, pdf.content


async def test_a_german_invoice_says_everything_the_law_asks(world: World) -> None:
    bill = await bill_with_usage(world)
    text, reader, _ = await text_of(world, bill)
    for part in (
        "Rechnung", "NL-2026-0000001", "01.07.2026", "01.06.2026 – 30.06.2026", "100001", "Anna Jürgensen",
        "Deichstraße 5", "20459 Hamburg", "Nordlicht Mobil GmbH", "Hafenstraße 1", "DE123456789", "DE89 3704",
        "Activation", "20 von 30 Tagen", "01.07.2026 – 31.07.2026", "13,33 €", "20,00 €", "100 MB", "12 min",
        "19 %", "Summe netto", "15.07.2026", "Seite 1 von 2", "Seite 2 von 2", "Einzelverbindungsnachweis",
        "4310000xxx", "0,27 €", "DE89 3704", "Verwendungszweck",
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


async def test_a_french_invoice_is_in_french(world: World) -> None:
    text, _, _ = await text_of(world, await bill_with_usage(world, 1, language="fr-CA"))
    flat = text.replace(NARROW, " ").replace(NBSP, " ")
    for part in (
        "Facture NL-2026-0000001", "1er juillet 2026", "1er juin 2026 – 30 juin 2026", "À régler avant le",
        "15 juillet 2026", "20 jours sur 30", "13,33 €", "Total HT", "Total TTC", "Détail des consommations",
        "Page 1 sur 2", "Merci de virer",
    ):  # fmt: skip
        assert part in flat, part


async def test_it_is_an_archivable_and_readable_pdf_that_names_itself(world: World) -> None:
    _, reader, content = await text_of(world, await bill_with_usage(world))
    for claim in (b"<pdfaid:part>3", b"<pdfaid:conformance>A", b"<pdfuaid:part>1"):
        assert claim in content, claim
    info = reader.metadata
    assert info is not None
    assert (info.title, info.author) == ("Rechnung NL-2026-0000001", "Nordlicht Mobil GmbH")
    assert reader.root_object["/Lang"] == "de"
    assert reader.root_object["/MarkInfo"]["/Marked"]  # type: ignore[index]
    fonts = [font.get_object() for page in reader.pages for font in page["/Resources"]["/Font"].values()]  # type: ignore[index]
    assert fonts
    for font in fonts:
        inner = font["/DescendantFonts"][0].get_object()
        assert {"/FontFile2", "/FontFile3"} & inner["/FontDescriptor"].keys()
        assert "Libertinus" in font["/BaseFont"]


async def test_what_a_customer_writes_never_becomes_markup(world: World) -> None:
    name = '#panic("no") *bold* _it_ $x$ @ref <label> \\u{41} `raw` // c /* d */ = H [c] "q" {{}}'
    address = Address("DE", {"street": '#read("/etc/passwd")', "postcode": "20459", "city": "#import *"})
    bill = await bill_with_usage(world, 1, name=name, address=address)
    text, _, _ = await text_of(world, bill)
    flat = "".join(text.replace("\u200b", "").split())
    assert "".join(name.split()) in flat
    assert '#read("/etc/passwd")' in flat
    assert "#import*" in flat


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
    assert text.count("0,27 €") == 150
    assert f"Seite {len(reader.pages)} von {len(reader.pages)}" in text


async def test_a_long_name_and_a_foreign_script_neither_break_nor_vanish(world: World) -> None:
    name = "Ştefan Dvořák-Őry 王小明 " + "Donaudampfschifffahrtsgesellschaft" * 4
    address = Address("CN", {"street": "长安街 1", "city": "北京"})
    bill = await bill_with_usage(world, name=name, address=address)
    text, _, _ = await text_of(world, bill)
    assert "Ştefan Dvořák-Őry ???" in text.replace("\n", " ")
    assert "Donaudampfschifffahrtsgesellschaft" * 4 in "".join(text.replace("\u200b", "").split())
    drawn = await billing.render_pdf(db=world.db, tenant_id=world.tenant_id, bill=bill)
    assert set("王小明长安街北京") <= set(drawn.missing)


async def test_arabic_is_shown_from_right_to_left(world: World) -> None:
    bill = await bill_with_usage(world, 1, name="محمد علي")
    text, _, _ = await text_of(world, bill)
    drawn = await billing.render_pdf(db=world.db, tenant_id=world.tenant_id, bill=bill)
    assert drawn.missing == ()
    assert "محمد" in text or "دمحم" in text  # readers differ in the order that they give


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
        "€0.00",
    ):
        assert part in flat, part


async def test_credits_stand_by_themselves_and_what_is_left_is_said(world: World) -> None:
    account = await world.account()
    await world.product(account, await world.plan())
    await credited(world, account.id, "100.00")
    await world.run()
    text, _, _ = await text_of(world, await world.only_bill())
    for part in ("Gutschriften und Nachlässe", "Goodwill", "ticket 4711", "−43,23 €", "Zwischensumme"):
        assert part in text, part
    assert "56,77 € Ihrer Gutschriften bleiben" in text
    assert "Es ist nichts zu zahlen." in text
    assert "Kontoinhaber" not in text


async def test_a_credit_note_names_the_bill_that_it_corrects(world: World) -> None:
    bill = await bill_with_usage(world, 1)
    note = await issue(world, await ask(world, bill))
    text, reader, _ = await text_of(world, note)
    for part in (
        "Rechnungskorrektur NLCN-2026-0000001", "Korrigiert Rechnung", "NL-2026-0000001 vom",
        "wrong price", "Gutgeschrieben", "−9,90 €", "werden Ihrem Konto gutgeschrieben",
    ):  # fmt: skip
        assert part in text, part
    assert "Zahlbar bis" not in text
    assert reader.metadata is not None
    assert reader.metadata.title == "Rechnungskorrektur NLCN-2026-0000001"


async def test_the_purchase_order_stands_on_the_bill(world: World) -> None:
    bill = structs.replace(await bill_with_usage(world, 1), purchase_order="PO-4711/2")
    text, _, _ = await text_of(world, bill)
    assert "Ihre Bestellnummer" in text
    assert "PO-4711/2" in text


async def test_each_product_has_its_own_lines_and_their_sum(world: World) -> None:
    account = await world.account()
    plan = await world.plan()
    for _ in range(2):
        await world.product(account, plan)
    await world.run()
    text, _, _ = await text_of(world, await world.only_bill())
    assert text.count("Zwischensumme") == 2
    assert text.count("43,23 €") == 2
    assert "20,00 € / Monat" in text


async def test_the_header_of_the_lines_comes_again_on_the_next_page(world: World) -> None:
    account = await world.account()
    plan = await world.plan()
    for _ in range(8):
        await world.product(account, plan)
    await world.run()
    _, reader, _ = await text_of(world, await world.only_bill())
    pages = [page.extract_text() for page in reader.pages]
    assert len(pages) >= 2
    assert all("Einzelpreis" in page for page in pages[:2])
    assert "Rechnung NL-2026-0000001" in pages[1]


def test_what_no_font_has_is_shown_as_well_as_it_goes() -> None:
    fonts = fonts_in(None)
    text = "Dvořák −5 王 ẞ 한 \ufffd 𝔘 e\u0301"
    fonts.learn(text)
    assert "".join(fonts.shown("Dvořák −5 王")) == "Dvořák −5 ?"
    assert "王" in fonts.missing
    assert printable("a\u0000b\u202e c\nd\te\u0301") == "ab c d é"


def test_the_characters_that_are_taken_for_granted_have_a_shape() -> None:
    """The pattern that spares typst the question is right."""
    sure = {c for c in map(chr, range(0x20, 0x2FFF)) if font_room._SURE.fullmatch(c) and printable(c) == c}
    assert len(sure) > 300
    fonts = fonts_in(None)
    assert fonts._lacking(sure) == set()
    assert MAIN in fonts.families


def test_every_language_has_every_word() -> None:
    english = WORDS["en"]
    for language, words in WORDS.items():
        assert words.keys() == english.keys(), language
        for key, text in words.items():
            assert text.count("{") == english[key].count("{"), (language, key)


@pytest.mark.parametrize(
    ("language", "country", "code", "shown"),
    [
        ("de-DE", "DE", "EUR", "−1.234,50\u00a0€"),
        ("en-GB", "DE", "EUR", "−€1,234.50"),
        ("fr-FR", "DE", "EUR", "−1\u202f234,50\u00a0€"),
        ("de-DE", "DE", "NGN", "−1.234,50\u00a0NGN"),
        ("en-NG", "NG", "NGN", "−₦1,234.50"),
        ("de-DE", "NG", "NGN", "−1.234,50\u00a0NGN"),
        ("ja-JP", "JP", "JPY", "−123,450\u00a0JPY"),
        ("en-KW", "KW", "KWD", "−KD123.450"),
    ],
)
def test_amounts_are_written_as_their_language_writes_them(
    language: str, country: str, code: str, shown: str
) -> None:
    assert Locale.of(language, load_pack(country)).money(-123450, currency(code)) == shown


def test_typst_is_not_loaded_until_something_is_drawn() -> None:
    code = "import farwire.billing.service, sys; sys.exit('typst' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


async def test_the_event_loop_goes_on_while_an_invoice_is_drawn(world: World) -> None:
    bill = await bill_with_usage(world, 150)
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.002)
            ticks += 1

    ticking = asyncio.create_task(tick())
    await billing.render_pdf(db=world.db, tenant_id=world.tenant_id, bill=bill)
    before = ticks
    await billing.render_pdf(db=world.db, tenant_id=world.tenant_id, bill=structs.replace(bill, number="X-1"))
    ticking.cancel()
    assert ticks - before >= 5


@pytest.mark.parametrize("number", ["NL-2026-0000001", "draft"])
async def test_a_bill_is_found_by_its_number(world: World, number: str) -> None:
    bill = await bill_with_usage(world, 1)
    if number == "draft":
        number = str(bill.id)
    assert (await billing.get_bill(db=world.db, tenant_id=world.tenant_id, key=number)).id == bill.id


async def test_the_operators_folder_of_fonts_is_used_where_it_is(world: World, settings: Settings) -> None:
    assert billing.own_fonts(settings) is None
    folder = settings.data_dir / "fonts"
    await asyncio.to_thread(folder.mkdir)
    assert billing.own_fonts(settings) == folder
    bill = await bill_with_usage(world, 1)
    drawn = await billing.render_pdf(
        db=world.db, tenant_id=world.tenant_id, bill=bill, font_folder=billing.own_fonts(settings)
    )
    assert drawn.pages == 2


async def test_a_bill_shows_the_number_of_its_time_whoever_has_it_later(world: World) -> None:
    account = await world.account()
    plan = await world.plan()
    products = [await world.product(account, plan) for _ in range(2)]
    since, until = instant("2026-06-11T14:03+02:00"), instant("2026-07-03T12:00+02:00")
    async with world.db.transaction(world.tenant_id) as tx:
        await inventory.create_pool(
            tx, name="numbers", kind=ResourceKind.MSISDN, quarantine_days=0, now=since
        )
        await inventory.fill_pool(tx, pool="numbers", values=["4915112345678"])
        (number,) = await inventory.reserve(tx, pool="numbers", key="first", now=since)
        await inventory.assign_resource(
            tx, resource_id=number.id, key="first", product_id=products[0].id, at=since, now=since
        )
    await world.run()
    bill = await world.only_bill()
    text, _, content = await text_of(world, bill)
    assert "Flex M · +4915112345678" in text
    async with world.db.transaction(world.tenant_id) as tx:
        await inventory.return_resource(tx, resource_id=number.id, at=until, now=until)
    await inventory.free_due(db=world.db, tenant_id=world.tenant_id, now=until)
    async with world.db.transaction(world.tenant_id) as tx:
        await inventory.reserve(tx, pool="numbers", key="second", now=until)
        await inventory.assign_resource(
            tx, resource_id=number.id, key="second", product_id=products[1].id, at=until, now=until
        )
    assert (await text_of(world, await world.only_bill()))[2] == content
    note = await issue(world, await ask(world, bill))
    assert [one.number for one in note.shown] == ["4915112345678"]


async def test_a_line_of_a_shared_and_suspended_product_says_why_it_costs_less(world: World) -> None:
    payer, member = await world.account("100001", name="Hafen AG"), await world.account("100002")
    product = await world.product(member, await world.plan())
    await route(world, member, payer, "60", "2026-06-11T00:00+02:00")
    await suspend(world, product, "2026-06-16T00:00+02:00", 50)
    await world.run()
    texts = [(await text_of(world, (await world.bills(one))[0]))[0] for one in (member, payer)]
    assert "Anteil: 40 %" in texts[0]
    assert "Anteil: 60 %" in texts[1]
    assert all("Gesperrt: 50 %" in text for text in texts)


async def test_a_negotiated_price_of_usage_is_not_printed_as_the_plans(world: World) -> None:
    account = await world.account()
    product = await world.product(account, await world.plan())
    await world.rated(product, "other", "0.35", at="2026-06-20T10:00Z", quantity=420)
    await world.run()
    text, _, _ = await text_of(world, await world.only_bill())
    assert "0,35 €" in text
    assert "0,09 €" not in text
