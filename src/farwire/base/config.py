"""Settings of one installation: typed, frozen, from a TOML file and from ``FARWIRE_*`` variables.

The environment wins over the file, the file over the defaults. An unknown key is an error, because a misspelt
setting that is silently ignored is found in production.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit, urlunsplit

import msgspec
from msgspec import Meta

from farwire.kernel.errors import Invalid

PREFIX: Final = "FARWIRE_"
CONFIG_NAME: Final = "farwire.toml"
SYSTEM_DATA_DIR: Final = Path("/var/lib/farwire")
"""Where an installation run by root keeps its data: below it, an unprivileged user can reach its own folder."""

_NOT_SETTINGS: Final = ("ACTOR", "CONFIG", "KEY", "KILLS", "REQUIRE", "SEEDS", "SHARED", "TENANT")
"""Variables of the command line, of scripts around it and of the tests."""
_NOT_SETTINGS_PREFIXES: Final = ("TEST_", "BENCH_", "DEMO_")
_MAY_HOLD_SECRETS: Final = ("_url", "_endpoint")

Port = Annotated[int, Meta(ge=1, le=65_535)]
Seconds = Annotated[float, Meta(gt=0, le=86_400)]
LogLevel = Literal["debug", "info", "warning", "error"]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings. Each is also the TOML key and, in capitals after ``FARWIRE_``, the variable."""

    data_dir: Path
    """Folder of the embedded database and of files that Farwire keeps."""
    database_url: str | None = None
    """PostgreSQL of an external server for work, as a member of role farwire_app; absent: the embedded server."""
    database_owner_url: str | None = None
    """The same database as farwire_owner (or an administrator): for ``db migrate``, ``db backup``, ``db restore``."""
    database_relay_url: str | None = None
    """The same database as farwire_relay: for the process that sends events out of the outbox."""
    database_pool_size: Annotated[int, Meta(ge=1, le=500)] = 10
    """Connections of one process at most."""
    database_acquire_timeout_s: Seconds = 5.0
    """How long a request waits for a free connection."""
    database_statement_timeout_s: Seconds = 30.0
    """How long one statement may run; long jobs ask for more."""
    http_host: str = "127.0.0.1"
    http_port: Port = 8080
    http_workers: Annotated[int, Meta(ge=1, le=256)] = 1
    public_url: Annotated[str, Meta(pattern=r"^https?://[^\s?#]*[^\s?#/]$")] | None = None
    """Where clients reach the API, such as ``https://api.example.org``: links begin with it; absent: they are paths."""
    hub_private_callbacks: bool = False
    """Whether listeners of events may stand at private addresses: only where every tenant is trusted."""
    log_level: LogLevel = "info"
    log_format: Literal["json", "text"] = "json"
    trace_endpoint: str | None = None
    """OTLP endpoint that receives traces; absent: none are sent."""

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.shown().items())
        return f"Settings({shown})"

    def shown(self) -> dict[str, object]:
        """Return the settings for people and logs: passwords in URLs are masked."""
        values = msgspec.structs.asdict(self)
        return {
            name: mask_url(value) if name.endswith(_MAY_HOLD_SECRETS) else value
            for name, value in values.items()
        }


def mask_url(url: str | None) -> str | None:
    """Return ``url`` without the password that it carries."""
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        password = parts.password
    except ValueError:
        return "***"
    if "password" in parts.query or (not parts.netloc and "password" in url):
        return "***"
    if password is None:
        return url
    user, _, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}:***@{host}"))


def default_data_dir(env: Mapping[str, str], *, uid: int | None = None) -> Path:
    """Return the data folder that is used when none is set: the system's for root, else the user's own."""
    if (os.geteuid() if uid is None else uid) == 0:
        return SYSTEM_DATA_DIR
    home = env.get("XDG_DATA_HOME") or str(Path(env.get("HOME", "~")).expanduser() / ".local" / "share")
    return Path(home) / "farwire"


def load_settings(*, env: Mapping[str, str] | None = None, path: Path | None = None) -> Settings:
    """Return the settings of this process.

    The file is ``path``, else ``FARWIRE_CONFIG``, else ``farwire.toml`` in the working folder, else in the data
    folder; none is fine. Raises ``Invalid`` (``config.*``) naming field, value and fix.
    """
    env = os.environ if env is None else env
    from_env = _from_env(env)
    data_dir = Path(from_env.get("data_dir") or default_data_dir(env))
    file = _config_file(env, path, data_dir)
    values: dict[str, object] = {"data_dir": str(data_dir)}
    if file is not None:
        values |= _from_file(file)
    values |= from_env
    settings = _convert(values)
    if not settings.data_dir.is_absolute():
        settings = msgspec.structs.replace(settings, data_dir=settings.data_dir.absolute())
    return settings


def _config_file(env: Mapping[str, str], path: Path | None, data_dir: Path) -> Path | None:
    named = path or (Path(env["FARWIRE_CONFIG"]) if env.get("FARWIRE_CONFIG") else None)
    if named is not None:
        if not named.is_file():
            raise Invalid(
                "the settings file does not exist",
                code="config.file_missing",
                field="FARWIRE_CONFIG",
                value=str(named),
                fix="write it, or unset FARWIRE_CONFIG to use the defaults",
            )
        return named
    for candidate in (Path(CONFIG_NAME), data_dir / CONFIG_NAME):
        try:
            if candidate.is_file():
                return candidate
        except PermissionError:
            continue
    return None


def _from_file(file: Path) -> dict[str, object]:
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Invalid(
            f"the settings file is not TOML: {error}",
            code="config.file_malformed",
            field="file",
            value=str(file),
        ) from error
    for key in values:
        _known(key, where=str(file))
    return values


def _from_env(env: Mapping[str, str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for variable, value in env.items():
        if not variable.startswith(PREFIX):
            continue
        key = variable.removeprefix(PREFIX)
        if key in _NOT_SETTINGS or key.startswith(_NOT_SETTINGS_PREFIXES):
            continue
        _known(key.lower(), where="the environment", shown=variable)
        if value != "":
            values[key.lower()] = value
    return values


def _known(key: str, *, where: str, shown: str | None = None) -> None:
    names = Settings.__struct_fields__
    if key in names:
        return
    near = difflib.get_close_matches(key, names, n=1)
    prefix = PREFIX if shown else ""
    named = [name.upper() if shown else name for name in (near or names)]
    hint = (
        f"did you mean {prefix}{named[0]}?" if near else f"use one of: {', '.join(prefix + n for n in named)}"
    )
    raise Invalid(
        f"{where} has a setting that does not exist", code="config.unknown", field=shown or key, fix=hint
    )


def _convert(values: Mapping[str, object]) -> Settings:
    try:
        return msgspec.convert(values, Settings, strict=False, dec_hook=_decode)
    except msgspec.ValidationError as error:
        reason, _, at = str(error).partition(" - at `$.")
        field = at.rstrip("`")
        value = values.get(field)
        shown = mask_url(str(value)) if field.endswith(_MAY_HOLD_SECRETS) else value
        raise Invalid(
            f"a setting has a wrong value: {reason}",
            code="config.invalid",
            field=field,
            value=shown,
            fix=f"set {field} in {CONFIG_NAME} or {PREFIX}{field.upper()} in the environment",
        ) from error


def _decode(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str):
        return Path(value).expanduser()
    raise NotImplementedError(f"no decoding of {kind}")
