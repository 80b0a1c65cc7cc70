"""Settings: what wins, what is refused, what is never shown."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farwire.base.config import Settings, default_data_dir, load_settings, mask_url
from farwire.kernel.errors import Invalid

SECRET_URL = "postgresql://farwire_app:s3cret@db.example:5432/farwire?sslmode=require"


def load(tmp_path: Path, text: str = "", **env: str) -> Settings:
    file = tmp_path / "farwire.toml"
    file.write_text(text)
    return load_settings(env={"FARWIRE_DATA_DIR": str(tmp_path / "data"), **env}, path=file)


def refusal(tmp_path: Path, text: str = "", **env: str) -> Invalid:
    with pytest.raises(Invalid) as caught:
        load(tmp_path, text, **env)
    return caught.value


def test_without_anything_there_are_defaults(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert settings.database_url is None
    assert settings.database_pool_size == 10
    assert settings.http_port == 8080


def test_the_environment_wins_over_the_file_and_the_file_over_the_defaults(tmp_path: Path) -> None:
    settings = load(tmp_path, "http_port = 9000\nlog_level = 'debug'", FARWIRE_HTTP_PORT="9100")
    assert (settings.http_port, settings.log_level, settings.log_format) == (9100, "debug", "json")


def test_an_empty_variable_counts_as_absent(tmp_path: Path) -> None:
    assert load(tmp_path, FARWIRE_DATABASE_URL="").database_url is None


def test_a_misspelt_key_in_the_file_is_refused_with_the_right_spelling(tmp_path: Path) -> None:
    error = refusal(tmp_path, "databse_url = 'x'")
    assert (error.code, error.field) == ("config.unknown", "databse_url")
    assert "database_url" in str(error.fix)


def test_a_misspelt_variable_is_refused_with_the_right_spelling(tmp_path: Path) -> None:
    error = refusal(tmp_path, FARWIRE_HTTP_PROT="1")
    assert (error.code, error.field) == ("config.unknown", "FARWIRE_HTTP_PROT")
    assert "FARWIRE_HTTP_PORT" in str(error.fix)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("HTTP_PORT", "0"),
        ("HTTP_PORT", "70000"),
        ("HTTP_PORT", "many"),
        ("DATABASE_POOL_SIZE", "0"),
        ("DATABASE_ACQUIRE_TIMEOUT_S", "-1"),
        ("DATABASE_STATEMENT_TIMEOUT_S", "nan"),
        ("LOG_LEVEL", "loud"),
    ],
)
def test_a_wrong_value_is_refused_with_field_value_and_fix(tmp_path: Path, variable: str, value: str) -> None:
    error = refusal(tmp_path, **{f"FARWIRE_{variable}": value})
    assert (error.code, error.field, error.value) == ("config.invalid", variable.lower(), value)
    assert f"FARWIRE_{variable}" in str(error.fix)


@pytest.mark.parametrize("name", ["CONFIG", "KEY", "TENANT", "REQUIRE", "SHARED", "TEST_SEED"])
def test_variables_that_are_no_settings_are_left_to_those_that_read_them(tmp_path: Path, name: str) -> None:
    assert load(tmp_path, **{f"FARWIRE_{name}": "x"}) == load(tmp_path)


def test_a_file_that_is_not_toml_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, "http_port: 1").code == "config.file_malformed"


def test_a_table_where_a_value_belongs_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, "[http_port]\nvalue = 1").code == "config.invalid"


def test_a_file_that_is_named_and_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid) as caught:
        load_settings(env={"FARWIRE_CONFIG": str(tmp_path / "absent.toml")})
    assert caught.value.code == "config.file_missing"


def test_the_data_folder_may_hold_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "farwire.toml").write_text("http_port = 9000")
    assert load_settings(env={"FARWIRE_DATA_DIR": str(tmp_path / "data")}).http_port == 9000
    (tmp_path / "farwire.toml").write_text("http_port = 9001")
    assert load_settings(env={"FARWIRE_DATA_DIR": str(tmp_path / "data")}).http_port == 9001


def test_a_relative_data_folder_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings(env={"FARWIRE_DATA_DIR": "here"}).data_dir == tmp_path / "here"


def test_the_default_data_folder_is_the_systems_for_root_and_else_the_users() -> None:
    assert default_data_dir({}, uid=0) == Path("/var/lib/farwire")
    assert default_data_dir({"HOME": "/home/ada"}, uid=1000) == Path("/home/ada/.local/share/farwire")
    assert default_data_dir({"HOME": "/home/ada", "XDG_DATA_HOME": "/data"}, uid=1000) == Path(
        "/data/farwire"
    )


def test_settings_are_frozen(tmp_path: Path) -> None:
    with pytest.raises(AttributeError):
        load(tmp_path).http_port = 1  # type: ignore[misc]


def test_no_password_is_shown(tmp_path: Path) -> None:
    settings = load(tmp_path, FARWIRE_DATABASE_URL=SECRET_URL, FARWIRE_DATABASE_OWNER_URL=SECRET_URL)
    for text in (repr(settings), str(settings), f"{settings}", str(settings.shown())):
        assert "s3cret" not in text
        assert "db.example" in text
    assert settings.database_url == SECRET_URL
    traced = load(tmp_path, FARWIRE_TRACE_ENDPOINT="https://u:s3cret@collector.example/")
    assert "s3cret" not in repr(traced)


def test_no_password_is_shown_when_a_url_setting_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"data_dir": "/x", "database_url": 5}, Settings)
    assert "s3cret" not in str(mask_url("postgresql://db/farwire?password=s3cret"))
    assert "s3cret" not in str(mask_url("postgresql://u:s3cret@[bad/farwire"))
    assert "s3cret" not in str(mask_url("host=db user=u password=s3cret"))


@given(st.text(alphabet=st.characters(blacklist_categories=["Cs"]), min_size=3).filter(lambda t: t.isalnum()))
def test_a_masked_url_never_holds_its_password(password: str) -> None:
    secret = f"pw-{password}-pw"
    assert secret not in str(mask_url(f"postgresql://u:{secret}@host/db"))
