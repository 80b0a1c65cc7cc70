"""Keys that access tokens are signed with: JSON Web Keys of the profile, and of a file that may change.

The key says which algorithms count, never the token: a public key is no shared secret. A file is looked at again every
few seconds, so that keys are exchanged without a restart: the new one beside the old one, then without it. PyJWT checks
keys and signatures. Source: RFC 7515, 7517 §5, 7518 §3, 8725 §3.1.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, Literal

import jwt
import msgspec
import structlog

LOOKED_S: Final = 5
"""How often a file is looked at."""
_FILE_MOST: Final = 1 << 20
_TOKEN_MOST: Final = 8_192
_TOKEN: Final = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
_log = structlog.get_logger(__name__)
_JWS: Final = jwt.PyJWS(options={"enforce_minimum_key_length": True})


class Key(msgspec.Struct, frozen=True):
    """A JSON Web Key: RSA (``n``, ``e``), an elliptic curve (``crv``, ``x``, ``y``), or a shared secret (``k``)."""

    kty: Literal["RSA", "EC", "oct"]
    kid: str = ""
    alg: str = ""
    """The one algorithm that it is for; empty: all of its kind."""
    n: str = ""
    e: str = "AQAB"
    crv: str = ""
    x: str = ""
    y: str = ""
    k: str = ""


class Verifier(msgspec.Struct, frozen=True):
    """A key for one algorithm."""

    kid: str
    algorithm: str
    key: jwt.PyJWK


class _KeySet(msgspec.Struct, frozen=True):
    keys: tuple[dict[str, object], ...]


def verifiers_of(key: Key) -> tuple[Verifier, ...]:
    """Return what a key verifies. Raises ``ValueError``: it is none, or one with which anybody could sign."""
    material = {name: value for name, value in msgspec.structs.asdict(key).items() if value and name != "kid"}
    found, why = [], ""
    for algorithm in _algorithms(key):
        try:
            one = jwt.PyJWK({**material, "alg": algorithm})
            short = one.Algorithm.check_key_length(one.key)
        except (jwt.PyJWTError, ValueError, LookupError) as error:
            raise ValueError(f"is no key: {error}") from None
        why = why or short or ""
        if not short:
            found.append(Verifier(key.kid, algorithm, one))
    if not found:
        raise ValueError(why or f"no algorithm is known for {key.alg or key.crv or key.kty}")
    return tuple(found)


def _algorithms(key: Key) -> tuple[str, ...]:
    """Return those of the key's kind: no "none", and for a public key none with a shared secret."""
    kinds = {
        "RSA": ("RS256", "RS384", "RS512"), "P-256": ("ES256",), "P-384": ("ES384",),
        "oct": ("HS256", "HS384", "HS512"),
    }  # fmt: skip
    own = kinds.get(key.crv if key.kty == "EC" else key.kty, ())
    return tuple(one for one in own if key.alg in ("", one))


def signed_by(verifiers: tuple[Verifier, ...], token: str) -> bytes:
    """Return what a token says. Raises ``jwt.PyJWTError``, ``ValueError``: none of the keys has signed it."""
    if len(token) > _TOKEN_MOST or not _TOKEN.fullmatch(token):
        raise ValueError("no JWS in compact form")
    head = jwt.get_unverified_header(token)
    algorithm, kid = head.get("alg"), head.get("kid", "")
    for one in verifiers:
        if one.algorithm != algorithm or (kid and one.kid and kid != one.kid):
            continue
        try:
            return bytes(_JWS.decode(token, one.key, algorithms=[one.algorithm]))
        except jwt.InvalidSignatureError:
            continue
    raise ValueError("no key has signed it")


class KeyRing:
    """The keys that count now."""

    def __init__(self, keys: tuple[Key, ...], file: str = "") -> None:
        """Raises ``ValueError``, ``OSError``: the file cannot be read, or has no key that can be used."""
        self._own = tuple(found for one in keys for found in verifiers_of(one))
        self._file = Path(file) if file else None
        self._looked_at = 0
        self._seen: tuple[int, ...] = ()
        self.verifiers = self._own
        if self._file is not None:
            self._read(self._file)

    def look(self, now_s: int) -> bool:
        """Look at the file, if it is time; tell whether there are other keys now. What is no good changes nothing."""
        if self._file is None or 0 <= now_s - self._looked_at < LOOKED_S:
            return False
        self._looked_at = now_s
        try:
            return self._read(self._file)
        except (OSError, ValueError) as error:
            _log.warning("nchf token keys cannot be read, the old ones count on", reason=str(error))
            return False

    def _read(self, file: Path) -> bool:
        about = file.stat()
        seen = (about.st_mtime_ns, about.st_size, about.st_ino)
        if seen == self._seen:
            return False
        if about.st_size > _FILE_MOST:
            raise ValueError("the file is too long")
        self.verifiers = (*self._own, *_of_file(file.read_bytes()))
        self._seen = seen
        return True


def _of_file(octets: bytes) -> tuple[Verifier, ...]:
    """Return the keys of a JSON Web Key Set; those for something else are passed over. Raises ``ValueError``."""
    found: list[Verifier] = []
    for one in msgspec.json.decode(octets, type=_KeySet).keys:
        if one.get("use", "sig") != "sig":
            continue
        try:
            found += verifiers_of(msgspec.convert(one, Key))
        except ValueError as error:
            _log.info(
                "a key of the file is for something else", kid=str(one.get("kid", "")), reason=str(error)
            )
    if not found:
        raise ValueError("the file has no key that a token could be signed with")
    return tuple(found)
