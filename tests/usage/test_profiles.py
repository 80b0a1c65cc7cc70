"""Profiles are data: what is wrong in one is said before a row is read."""

import pytest
from usage_cases import CALLS, edited, profile

from farwire.kernel.errors import Invalid, NotFound
from farwire.usage import service
from farwire.usage.model import parse_profile


def test_every_built_in_profile_is_sound():
    names = [found.name for found in service.built_in_profiles()]
    assert names == [
        "freeswitch-json",
        "generic-csv",
        "kamailio-flatstore",
        "opensips-flatstore",
        "partial-csv",
        "radius-detail",
    ]


def test_the_digest_changes_with_a_rule_and_not_with_the_description():
    assert profile().digest() == profile(description="other words").digest()
    assert profile().digest() != profile(version=2).digest()
    assert profile().digest() != edited("[phone]", '[phone]\nnational = "0"').digest()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('kind = "voice"', 'kind = "smoke"', "kind"),
        ("version = 1", "version = 0", "version"),
        ("version = 1", 'version = 1\ncolour = "red"', "colour"),
        ('format = "csv"', 'format = "xls"', "format"),
        ('name = "calls"', 'name = "Calls!"', "name"),
        ("version = 1", 'version = 1\nencoding = "utf-16"', "encoding"),
        ("[phone]", "[phone", "Expected"),
    ],
)
def test_a_field_that_the_schema_refuses_is_named(old, new, said):
    with pytest.raises(Invalid) as caught:
        edited(old, new)
    assert caught.value.code == "usage.profile_malformed"
    assert said.lower() in str(caught.value).lower()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[quantity]", '[time]\nformat = "%d.%m.%Y %H:%M"\n[quantity]', "time.zone is missing"),
        ("[quantity]", '[time]\nformat = "%Y-%j"\nzone = "UTC"\n[quantity]', "codes other than"),
        ("[quantity]", '[time]\nzone = "Mars/Olympus"\n[quantity]', "unknown"),
        ("[quantity]", '[charge]\ncolumn = "seconds"\n[quantity]', "charge.currency"),
        (
            "[quantity]",
            '[charge]\ncolumn = "seconds"\ncurrency = "XYZ"\n[quantity]',
            "charge.currency is unknown",
        ),
        ('columns = ["seconds"]', 'columns = ["minutes"]', "does not name minutes"),
        ('columns = ["seconds"]', 'columns = ["seconds"]\nended = "at"', "say one of quantity"),
        ("[phone]", '[session]\nkey = ["id"]\nmeasure = "sum"', "go together"),
        ("[phone]", '[number]\ndecimal = ","\nthousands = ","', "are the same"),
        ('caller = "from"', "", "caller is missing"),
    ],
)
def test_a_contradiction_is_told_in_words(old, new, said):
    with pytest.raises(Invalid) as caught:
        edited(old, new)
    assert caught.value.code == "usage.profile_contradictory"
    assert said in str(caught.value)


def test_a_session_that_could_never_end_is_refused():
    text = (
        CALLS + '[roles]\ncolumn = "id"\nstart = ["a"]\n[session]\nkey = ["from"]\nmeasure = "cumulative"\n'
    )
    with pytest.raises(Invalid, match="no value is a stop"):
        parse_profile(text, origin="test.toml")
    assert parse_profile(text + "close_after_h = 2\n", origin="test.toml").session


def test_an_unknown_profile_says_how_to_find_the_known_ones(tmp_path):
    with pytest.raises(NotFound, match="farwire usage profiles"):
        service.load_profile("no-such")
    with pytest.raises(NotFound):
        service.load_profile("../../secret")
    with pytest.raises(NotFound):
        service.load_profile(str(tmp_path / "none.toml"))
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(Invalid, match="cannot be read"):
        service.load_profile(str(tmp_path / "folder.toml"))


def test_a_profile_of_ones_own_is_read_by_its_path(tmp_path):
    own = tmp_path / "own.toml"
    own.write_text(CALLS)
    assert service.load_profile(str(own)) == profile()
