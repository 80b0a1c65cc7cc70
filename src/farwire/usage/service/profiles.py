"""The import profiles that come with Farwire, and the operator's own by path."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from farwire.kernel.errors import Invalid, NotFound
from farwire.usage.model import Profile, parse_profile

MAX_PROFILE_OCTETS = 262_144


def built_in_profiles() -> tuple[Profile, ...]:
    """Return the profiles in the package, by name."""
    folder = resources.files("farwire.usage") / "profiles"
    files = sorted(
        (item for item in folder.iterdir() if item.name.endswith(".toml")), key=lambda item: item.name
    )
    return tuple(parse_profile(item.read_text(encoding="utf-8"), origin=item.name) for item in files)


def profile_text(name: str) -> str:
    """Return the TOML of a built-in profile: the start for one's own.

    Raises ``NotFound`` (``usage.profile_unknown``).
    """
    item = resources.files("farwire.usage") / "profiles" / f"{name}.toml"
    if not name.replace("-", "").isalnum() or not item.is_file():
        raise NotFound(
            "there is no built-in import profile of this name",
            code="usage.profile_unknown",
            field="profile",
            value=name,
            fix="farwire usage profiles lists them; a file of your own is named by its path, ending in .toml",
        )
    return item.read_text(encoding="utf-8")


def load_profile(name_or_path: str) -> Profile:
    """Return a built-in profile by name, or the one in a file whose path ends in ``.toml``.

    Raises ``NotFound`` (``usage.profile_unknown``) and ``Invalid`` (``usage.profile_malformed``,
    ``usage.profile_contradictory``, ``usage.profile_unreadable``).
    """
    if not name_or_path.endswith(".toml"):
        return parse_profile(profile_text(name_or_path), origin=name_or_path)
    path = Path(name_or_path)
    try:
        with path.open("rb") as stream:
            text = stream.read(MAX_PROFILE_OCTETS + 1)
    except FileNotFoundError:
        raise NotFound(
            "there is no such profile file", code="usage.profile_unknown", field="profile", value=path
        ) from None
    except OSError as error:
        raise Invalid(
            f"the profile cannot be read: {error.strerror}",
            code="usage.profile_unreadable",
            field="profile",
            value=path,
        ) from None
    if len(text) > MAX_PROFILE_OCTETS:
        raise Invalid("the profile is too long", code="usage.profile_unreadable", field="profile", value=path)
    return parse_profile(text, origin=path.name)
