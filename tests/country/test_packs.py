"""Every shipped pack loads, is sound, and agrees with what others publish."""

import os
import re
import subprocess
import sys
import tomllib
from datetime import date
from pathlib import Path
from zoneinfo import available_timezones

import holidays
import pytest

import farwire.country
from farwire.country.model import Requirement, address_lines, check_address
from farwire.country.service import (
    CountryUnknown,
    HolidaysUnknown,
    PackInvalid,
    load_pack,
    pack_codes,
    pack_file_problems,
    public_holidays,
    read_pack,
)
from farwire.kernel.money import currency

SHIPPED = [
    "AE",
    "AU",
    "CN",
    "DE",
    "FR",
    "GB",
    "HK",
    "ID",
    "IN",
    "JP",
    "KE",
    "KW",
    "MY",
    "NG",
    "NL",
    "SG",
    "US",
]
PACKS = Path(farwire.country.__file__).parent / "packs"
TODAY = date(2026, 11, 23)


def test_the_promised_countries_are_shipped():
    assert list(pack_codes(folders=())) == SHIPPED


@pytest.mark.parametrize("code", SHIPPED)
def test_a_shipped_pack_has_no_problem(code):
    assert pack_file_problems(PACKS / f"{code.lower()}.toml") == ()
    assert load_pack(code).code == code


@pytest.mark.parametrize("code", SHIPPED)
def test_currency_and_zones_are_known_elsewhere(code):
    pack = load_pack(code)
    assert currency(pack.money.currency).code == pack.money.currency
    assert set(pack.locale.time_zones) <= available_timezones()


def _zones_by_country() -> dict[str, set[str]]:
    from importlib.resources import files

    table = files("tzdata").joinpath("zoneinfo", "zone.tab").read_text(encoding="utf-8")
    found: dict[str, set[str]] = {}
    for line in table.splitlines():
        if line and not line.startswith("#"):
            code, _, name = line.split("\t")[:3]
            found.setdefault(code, set()).add(name)
    return found


@pytest.mark.parametrize("code", SHIPPED)
def test_the_zones_are_those_of_the_country_in_the_tz_database(code):
    published = _zones_by_country()[code]
    assert set(load_pack(code).locale.time_zones) <= published
    if code != "US":
        assert len(published - set(load_pack(code).locale.time_zones)) <= 1


@pytest.mark.parametrize("code", SHIPPED)
def test_every_group_of_facts_has_a_source_and_a_day_that_is_not_in_the_future(code):
    raw = tomllib.loads((PACKS / f"{code.lower()}.toml").read_text(encoding="utf-8"))
    groups = [value for value in raw.values() if isinstance(value, dict)]
    groups += raw["outage"].get("rules", [])
    for group in groups:
        assert len(group["source"]) > 5
        assert group["as_of"] <= TODAY
    assert all(len(rate["source"]) > 5 for rate in raw["tax"].get("rates", ()))


@pytest.mark.parametrize("code", SHIPPED)
def test_a_pack_that_establishes_nothing_says_unknown(code):
    pack = load_pack(code)
    if pack.outage.source == "Not established":
        assert pack.outage.compensation is Requirement.UNKNOWN
    if pack.kyc.source == "Not established":
        assert pack.kyc.prepaid_sim is Requirement.UNKNOWN


def test_a_code_is_found_in_any_case_and_an_unknown_one_is_explained():
    assert load_pack("de") is load_pack(" DE ")
    for code in ("XX", "", "../de", "D€"):
        with pytest.raises(CountryUnknown) as caught:
            load_pack(code)
        assert caught.value.code == "country.unknown"
        assert "NG" in (caught.value.fix or "")


def test_the_german_outage_rule_pays_the_larger_of_amount_and_share():
    (rule,) = load_pack("DE").outage.rules
    assert [(str(t.per_day), str(t.percent_of_monthly), t.from_day) for t in rule.tiers] == [
        ("5.00", "10", 3),
        ("10.00", "20", 5),
    ]
    assert rule.threshold_h == 48


def test_the_nigerian_outage_rule_begins_after_a_day():
    (rule,) = load_pack("NG").outage.rules
    assert (rule.counted, rule.threshold_h) == ("proportional", 24)


# ---- files of one's own


def _example_pack() -> str:
    text = (Path(__file__).parents[2] / "docs" / "country-packs.md").read_text(encoding="utf-8")
    found = re.search(r"```toml\n(.*?)```", text, re.DOTALL)
    assert found
    return found.group(1)


def _write(folder: Path, text: str, name: str = "zz.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_country_is_added_by_a_file_alone(tmp_path):
    _write(tmp_path, _example_pack())
    pack = load_pack("ZZ", folders=(tmp_path,))
    assert pack.name == "Zedland"
    assert "ZZ" in pack_codes(folders=(tmp_path,))
    assert "ZZ" not in pack_codes(folders=())
    assert [str(c.rate_percent) for c in pack.tax_components("telecom", date(2026, 7, 1))] == ["13"]
    assert pack.tax_components("digital", date(2026, 7, 1)) == ()
    assert public_holidays(pack, [2026])[date(2026, 10, 3)] == "Tag der Deutschen Einheit"


def test_a_file_of_the_operator_replaces_the_shipped_pack_as_a_whole(tmp_path):
    german = (PACKS / "de.toml").read_text(encoding="utf-8")
    _write(tmp_path, german.replace('name = "Germany"', 'name = "Our Germany"'), "de.toml")
    assert load_pack("DE", folders=(tmp_path,)).name == "Our Germany"
    assert load_pack("DE").name == "Germany"


def test_the_packs_of_the_data_folder_are_found_without_being_named(tmp_path):
    (tmp_path / "country-packs").mkdir()
    _write(tmp_path / "country-packs", _example_pack())
    program = "from farwire.country.service import load_pack; print(load_pack('zz').name)"
    env = os.environ | {"FARWIRE_DATA_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "Zedland", done.stderr


def test_a_changed_file_is_read_again(tmp_path):
    path = _write(tmp_path, _example_pack())
    assert load_pack("ZZ", folders=(tmp_path,)).name == "Zedland"
    path.write_text(_example_pack().replace("Zedland", "Zetland"), encoding="utf-8")
    os.utime(path, ns=(1, 1))
    assert load_pack("ZZ", folders=(tmp_path,)).name == "Zetland"


@pytest.mark.parametrize(
    ("old", "new", "field", "needle"),
    [
        ('currency = "EUR"', 'currency = "EUX"', "zz.toml: money.currency", "EUX"),
        ('currency = "EUR"', "currency = 7", "zz.toml: money.currency", "Expected `str`"),
        ('"Europe/Berlin"]', '"Europe/Berlim"]', "zz.toml: locale.time_zones[0]", "unknown"),
        ('rate_percent = "12.5"', "rate_percent = 12.5", "zz.toml", "floating-point"),
        ('rate_percent = "12.5"', 'rate_percent = "125"', "zz.toml: tax.rates[0].rate_percent", "percentage"),
        ('rate_percent = "12.5"', 'rate_percent = "NaN"', "zz.toml: tax.rates[0].rate_percent", "percentage"),
        ("valid_to = 2026-07-01", "valid_to = 2026-07-02", "zz.toml: tax.rates", "overlaps"),
        ("valid_to = 2026-07-01", "valid_to = 2025-01-01", "zz.toml: tax.rates[0].valid_to", "ends before"),
        (
            'categories = ["telecom"]',
            'categories = ["telekom"]',
            "zz.toml: tax.rates[0].categories",
            "category",
        ),
        ("known_from = 2025-01-01", "", "zz.toml: tax.categories.telecom.known_from", "missing"),
        (
            'taxation = "none"',
            'taxation = "rates"',
            "zz.toml: tax.categories.digital.taxation",
            "does not fit",
        ),
        ('taxation = "none"', 'taxation = "maybe"', "zz.toml: tax.categories[...].taxation", "maybe"),
        ("[tax.categories.digital]", "[tax.categories.other]", "zz.toml: tax.categories", "missing"),
        ('number = "112"', 'number = "1-1-2"', "zz.toml: emergency.numbers[0].number", "digits"),
        ("'1[0-9]{3}'", "'1[0-9'", "zz.toml: numbers.short_code_pattern", "malformed"),
        ('"{postcode} {city}"', '"{zip} {city}"', "zz.toml: address.lines[2]", "zip"),
        ('numbering = "sequential_gapless"', 'numbering = "any"', "zz.toml: invoice.numbering", "unknown"),
        ("schema = 1", "schema = 2", "zz.toml: schema", "schema"),
        ('name = "Zedland"', 'nome = "Zedland"', "zz.toml: top level", "nome"),
        ('code = "ZZ"', 'code = "ZY"', "zz.toml: code", "another country"),
        ("[money]", "[money", "zz.toml", "not TOML"),
        ('languages = ["de-ZZ"]', 'languages = ["German"]', "zz.toml: locale.languages[0]", "language"),
        ('languages = ["de-ZZ"]', "languages = []", "zz.toml: locale.languages", "language"),
    ],
)
def test_a_wrong_pack_names_file_field_and_fix(tmp_path, old, new, field, needle):
    assert old in _example_pack()
    path = _write(tmp_path, _example_pack().replace(old, new, 1))
    problems = pack_file_problems(path)
    fields = [problem.field for problem in problems]
    assert field in fields, [str(p) for p in problems]
    problem = problems[fields.index(field)]
    assert needle in str(problem)
    assert problem.fix
    with pytest.raises(PackInvalid):
        read_pack(path)


def test_a_missing_binary_or_huge_file_is_refused(tmp_path):
    binary = tmp_path / "zz.toml"
    assert "no such file" in str(pack_file_problems(binary)[0])
    binary.write_bytes(b"\xff\xfe\x00")
    assert "UTF-8" in str(pack_file_problems(binary)[0])
    binary.write_bytes(b"a" * 2_000_000)
    assert pack_file_problems(binary)


# ---- holidays


@pytest.mark.parametrize("code", SHIPPED)
def test_every_shipped_country_has_public_holidays(code):
    days = public_holidays(load_pack(code), [2026])
    assert len(days) >= 4
    assert list(days) == sorted(days)
    assert set(days) == set(holidays.country_holidays(code, years=2026))


def test_regions_add_their_own_days():
    germany = load_pack("DE")
    epiphany = date(2026, 1, 6)
    assert epiphany not in public_holidays(germany, [2026], "BE")
    assert public_holidays(germany, [2026], "BY")[epiphany] == "Heilige Drei Könige"
    assert germany.holidays.by_region


def test_an_unknown_region_is_refused():
    with pytest.raises(HolidaysUnknown) as caught:
        public_holidays(load_pack("DE"), [2026], "XX")
    assert caught.value.field == "subdivision"


def test_a_country_without_known_holidays_is_refused(tmp_path):
    text = re.sub(r"provider_code = .*\n", "", _example_pack())
    _write(tmp_path, text)
    with pytest.raises(HolidaysUnknown):
        public_holidays(load_pack("ZZ", folders=(tmp_path,)), [2026])


# ---- addresses


def test_an_address_is_written_as_its_country_writes_it():
    home = {
        "name": "Eva Ost",
        "street": "Hauptstr.",
        "house_number": "5",
        "postcode": "10115",
        "city": "Berlin",
    }
    assert check_address(load_pack("DE"), home) == ()
    assert address_lines(load_pack("DE"), home) == ("Eva Ost", "Hauptstr. 5", "10115 Berlin")


def test_what_is_missing_or_malformed_in_an_address_is_named():
    problems = check_address(
        load_pack("DE"), {"name": "Eva", "street": "A", "postcode": "1011", "town": "Berlin"}
    )
    assert {(p.code, p.field) for p in problems} == {
        ("country.address_field_unknown", "town"),
        ("country.address_field_malformed", "postcode"),
        ("country.address_field_missing", "city"),
    }
    assert all(p.fix for p in problems)


@pytest.mark.parametrize(
    ("code", "postcode"),
    [
        ("NL", "1012 AB"),
        ("GB", "SW1A 1AA"),
        ("US", "10001-0001"),
        ("JP", "100-0001"),
        ("IN", "400001"),
        ("SG", "018956"),
    ],
)
def test_postcodes_of_the_country_are_accepted(code, postcode):
    (field,) = [f for f in load_pack(code).address.fields if f.name == "postcode"]
    assert re.fullmatch(field.pattern, postcode)
    assert not re.fullmatch(field.pattern, "x" + postcode)
