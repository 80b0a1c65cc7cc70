"""Access tokens: openssl signs them, we believe those that are meant for us, now, and by whom we know."""

from __future__ import annotations

import hashlib
import hmac
import json
import subprocess
from base64 import urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from farwire.gateway.nchf.http2.messages import Request
from farwire.gateway.nchf.problems import Problem
from farwire.gateway.nchf.profiles import Key, Tokens
from farwire.gateway.nchf.tokens import Checker

US, NRF, NOW = "4d2c9f3e-0000-4000-8000-00000000c0de", "5e2c9f3e-0000-4000-8000-00000000c0de", 1_800_000_000
SCOPE = "nchf-convergedcharging"
CLAIMS = {"iss": NRF, "sub": "smf", "aud": "CHF", "scope": f"other {SCOPE}", "exp": NOW + 60}


def encoded(octets: bytes) -> str:
    return urlsafe_b64encode(octets).decode().rstrip("=")


class Signer:
    """A key of openssl."""

    def __init__(self, openssl: Path, folder: Path, bits: int = 2048) -> None:
        self.openssl, self.pem = str(openssl), folder / f"{bits}.pem"
        self.run("genrsa", "-out", str(self.pem), str(bits))
        modulus = (
            self.run("rsa", "-in", str(self.pem), "-noout", "-modulus").decode().strip().partition("=")[2]
        )
        self.key = Key("RSA", n=encoded(bytes.fromhex(modulus)))

    def run(self, *words: str, octets: bytes = b"") -> bytes:
        return subprocess.run([self.openssl, *words], input=octets, check=True, capture_output=True).stdout

    def token(self, claims: dict[str, Any], algorithm: str = "RS256", **head: Any) -> str:
        first = encoded(json.dumps({"alg": algorithm, **head}).encode())
        signed = f"{first}.{encoded(json.dumps(claims).encode())}"
        digest = f"-sha{algorithm[2:]}"
        return f"{signed}.{encoded(self.run('dgst', digest, '-sign', str(self.pem), octets=signed.encode()))}"


@pytest.fixture(scope="module")
def signer(require_rig: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return Signer(require_rig("openssl"), tmp_path_factory.mktemp("keys"))


def answer(key: Key, token: str | None, *, issuers: tuple[str, ...] = (NRF,)) -> tuple[int, str]:
    """Return the status and challenge; 200 where the token is believed."""
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    checker = Checker(Tokens((key,), issuers), instance=US, now_s=lambda: NOW)
    try:
        checker.check(Request("POST", "/", headers), scope=SCOPE)
    except Problem as problem:
        return problem.cause.status, dict(problem.headers).get("www-authenticate", "")
    return 200, ""


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512"])
def test_what_openssl_has_signed_is_believed(signer: Signer, algorithm: str) -> None:
    assert answer(signer.key, signer.token(CLAIMS, algorithm)) == (200, "")
    assert answer(signer.key, signer.token({**CLAIMS, "aud": [US.upper()]}, algorithm)) == (200, "")


def test_what_is_not_for_us_or_not_now_is_refused(signer: Signer) -> None:
    for changes in ({"exp": NOW - 60}, {"aud": "SMF"}, {"aud": ["x"]}, {"iss": "other"}, {"nbf": NOW + 60}):
        status, challenge = answer(signer.key, signer.token({**CLAIMS, **changes}))
        assert (status, challenge) == (401, 'Bearer error="invalid_token"'), changes
    status, challenge = answer(signer.key, signer.token({**CLAIMS, "scope": "nchf-convergedchargin"}))
    assert (status, challenge) == (403, 'Bearer error="insufficient_scope"')
    assert answer(signer.key, None) == (401, "Bearer")


def test_what_nobody_known_has_signed_is_refused(
    signer: Signer, require_rig: Callable[[str], Path], tmp_path: Path
) -> None:
    good = signer.token(CLAIMS)
    head, claims, signature = good.split(".")
    other = encoded(json.dumps({**CLAIMS, "sub": "amf"}).encode())
    none = encoded(b'{"alg":"none"}')
    confused = encoded(b'{"alg":"HS256"}')
    forged = (
        f"{head}.{other}.{signature}", f"{head}.{claims}.", f"{none}.{claims}.", f"{none}.{claims}.{signature}",
        f"{confused}.{claims}.{signature}", f"{head}.{claims}.{signature[:-4]}", "x", "..", "a.b.c", good + "A",
        f"{head}.{claims}.{'_' * len(signature)}", "x" * 10_000, signer.token(CLAIMS, crit=["exp"]),
        f"{head}.{claims}.{encoded(bytes(256))}",
    )  # fmt: skip
    for token in forged:
        assert answer(signer.key, token)[0] == 401, token[:40]
    weak = Signer(require_rig("openssl"), tmp_path, 1024)
    assert answer(weak.key, weak.token(CLAIMS))[0] == 401


def test_a_shared_secret_signs_too_but_never_for_a_public_key() -> None:
    secret = b"0123456789abcdef0123456789abcdef"
    head = encoded(json.dumps({"alg": "HS256"}).encode())
    signed = f"{head}.{encoded(json.dumps(CLAIMS).encode())}"
    token = f"{signed}.{encoded(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"
    assert answer(Key("oct", k=encoded(secret)), token) == (200, "")
    assert answer(Key("oct", k=encoded(secret[1:])), token)[0] == 401
    for short in (b"", secret[:31]):  # RFC 7518 §3.2: as long as the digest
        forged = f"{signed}.{encoded(hmac.new(short, signed.encode(), hashlib.sha256).digest())}"
        assert answer(Key("oct", k=encoded(short)), forged)[0] == 401
    assert answer(Key("RSA", n=encoded(secret * 8)), token)[0] == 401


def test_without_tokens_in_the_profile_none_is_asked_for() -> None:
    Checker(None, instance="", now_s=lambda: NOW).check(Request("POST", "/", {}), scope=SCOPE)
