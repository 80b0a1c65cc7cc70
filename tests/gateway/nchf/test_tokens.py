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

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from farwire.gateway.nchf.http2.messages import Request
from farwire.gateway.nchf.keys import LOOKED_S, Key, verifiers_of
from farwire.gateway.nchf.problems import Problem
from farwire.gateway.nchf.profiles import Tokens
from farwire.gateway.nchf.tokens import Checker
from farwire.kernel.errors import Invalid

US, NRF, NOW = "4d2c9f3e-0000-4000-8000-00000000c0de", "5e2c9f3e-0000-4000-8000-00000000c0de", 1_800_000_000
SCOPE = "nchf-convergedcharging"
CLAIMS = {"iss": NRF, "sub": "smf", "aud": "CHF", "scope": f"other {SCOPE}", "exp": NOW + 60}


def encoded(octets: bytes) -> str:
    return urlsafe_b64encode(octets).decode().rstrip("=")


class Signer:
    """A key of openssl: RSA, or of an elliptic curve."""

    def __init__(self, openssl: Path, folder: Path, bits: int = 2048, curve: str = "", kid: str = "") -> None:
        self.openssl, self.pem, self.size = str(openssl), folder / f"{bits}{curve}{kid}.pem", 0
        pem = str(self.pem)
        if curve:
            self.run("ecparam", "-name", curve, "-genkey", "-noout", "-out", pem)
            self.size = 48 if "384" in curve else 32
            point = self.run("ec", "-in", pem, "-pubout", "-outform", "DER")[-2 * self.size :]
            x, y = encoded(point[: self.size]), encoded(point[self.size :])
            named = {"prime256v1": "P-256", "secp384r1": "P-384", "secp256k1": "secp256k1"}[curve]
            self.key = Key("EC", kid=kid, crv=named, x=x, y=y)
            return
        self.run("genrsa", "-out", pem, str(bits))
        modulus = self.run("rsa", "-in", pem, "-noout", "-modulus").decode().strip().partition("=")[2]
        self.key = Key("RSA", kid=kid, n=encoded(bytes.fromhex(modulus)))

    def run(self, *words: str, octets: bytes = b"") -> bytes:
        return subprocess.run([self.openssl, *words], input=octets, check=True, capture_output=True).stdout

    def token(self, claims: dict[str, Any], algorithm: str = "", **head: Any) -> str:
        algorithm = algorithm or {0: "RS256", 32: "ES256", 48: "ES384"}[self.size]
        first = encoded(json.dumps({"alg": algorithm, **head}).encode())
        signed = f"{first}.{encoded(json.dumps(claims).encode())}"
        digest = f"-sha{algorithm[2:]}"
        found = self.run("dgst", digest, "-sign", str(self.pem), octets=signed.encode())
        if self.size:  # openssl writes two numbers of ASN.1, RFC 7518 §3.4 both of them in full length
            found = b"".join(part.to_bytes(self.size, "big") for part in decode_dss_signature(found))
        return f"{signed}.{encoded(found)}"


@pytest.fixture(scope="module")
def signer(require_rig: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return Signer(require_rig("openssl"), tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def curve(require_rig: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return Signer(require_rig("openssl"), tmp_path_factory.mktemp("curves"), curve="prime256v1")


def checker_of(*keys: Key, now: list[int] | None = None, **more: Any) -> Checker:
    times = now or [NOW]
    return Checker(Tokens(keys, **{"issuers": (NRF,), **more}), instance=US, now_s=lambda: times[0])


def asked(checker: Checker, token: str | None) -> tuple[int, str]:
    """Return the status and challenge; 200 where the token is believed."""
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    try:
        checker.check(Request("POST", "/", headers), scope=SCOPE)
    except Problem as problem:
        return problem.cause.status, dict(problem.headers).get("www-authenticate", "")
    return 200, ""


def answer(key: Key, token: str | None) -> tuple[int, str]:
    return asked(checker_of(key), token)


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512"])
def test_what_openssl_has_signed_is_believed(signer: Signer, algorithm: str) -> None:
    assert answer(signer.key, signer.token(CLAIMS, algorithm)) == (200, "")
    assert answer(signer.key, signer.token({**CLAIMS, "aud": [US.upper()]}, algorithm)) == (200, "")
    only = msgspec.structs.replace(signer.key, alg="RS256")
    assert answer(only, signer.token(CLAIMS, algorithm))[0] == (200 if algorithm == "RS256" else 401)


def test_elliptic_curves_sign_by_the_algorithm_of_their_curve(
    curve: Signer, require_rig: Callable[[str], Path], tmp_path: Path
) -> None:
    assert answer(curve.key, curve.token(CLAIMS)) == (200, "")
    longer = Signer(require_rig("openssl"), tmp_path, curve="secp384r1")
    assert answer(longer.key, longer.token(CLAIMS)) == (200, "")
    good = curve.token(CLAIMS)
    signed, _, signature = good.rpartition(".")
    for other in (encoded(bytes(64)), signature[:-8], encoded(b"\xff" * 64), encoded(bytes(63) + b"\1")):
        assert answer(curve.key, f"{signed}.{other}")[0] == 401
    assert answer(longer.key, good)[0] == 401
    assert answer(curve.key, curve.token({**CLAIMS, "exp": NOW - 60}))[0] == 401
    for wrong in ({"crv": "secp256k1"}, {"crv": "P-384"}, {"x": curve.key.y}, {"alg": "RS256"}, {"y": ""}):
        with pytest.raises(ValueError, match=r"no key|no algorithm"):
            verifiers_of(msgspec.structs.replace(curve.key, **wrong))


def test_of_several_keys_the_one_that_the_token_names_counts(
    signer: Signer, require_rig: Callable[[str], Path], tmp_path: Path
) -> None:
    two = Signer(require_rig("openssl"), tmp_path, curve="prime256v1", kid="two")
    one = msgspec.structs.replace(signer.key, kid="one")
    both = checker_of(one, two.key)
    assert asked(both, two.token(CLAIMS, kid="two"))[0] == 200
    assert asked(both, two.token(CLAIMS))[0] == 200
    assert asked(both, signer.token(CLAIMS, kid="one"))[0] == 200
    for token in (two.token(CLAIMS, kid="one"), signer.token(CLAIMS, kid="two"), two.token(CLAIMS, kid="3")):
        assert asked(both, token)[0] == 401
    assert asked(both, signer.token(CLAIMS, kid=1))[0] == 401


def test_keys_of_a_file_are_exchanged_while_we_serve(
    signer: Signer, curve: Signer, require_rig: Callable[[str], Path], tmp_path: Path
) -> None:
    old, new, file, now = signer, curve, tmp_path / "keys.json", [NOW]

    def write(*keys: Any) -> None:
        fresh = tmp_path / "fresh"
        fresh.write_bytes(msgspec.json.encode({"keys": [*keys, {"kty": "OKP", "x": "y"}, {"use": "enc"}]}))
        fresh.replace(file)

    write(old.key)
    checker = checker_of(now=now, file=str(file))
    first, second = old.token({**CLAIMS, "exp": NOW + 600}), new.token({**CLAIMS, "exp": NOW + 600})

    def statuses() -> tuple[int, int]:
        now[0] += LOOKED_S
        return asked(checker, first)[0], asked(checker, second)[0]

    assert statuses() == (200, 401)
    write(old.key, new.key)
    assert statuses() == (200, 200)
    write(new.key)
    assert statuses() == (401, 200)
    file.write_text("half a fi")
    assert statuses() == (401, 200)
    file.unlink()
    assert statuses() == (401, 200)
    with pytest.raises(Invalid) as caught:
        checker_of(file=str(file))
    assert (caught.value.code, caught.value.field) == ("nchf.profiles", "tokens.file")
    write()
    with pytest.raises(Invalid):
        checker_of(file=str(file))


def test_a_token_that_was_believed_ends_in_time_and_clocks_may_differ_a_little(signer: Signer) -> None:
    now = [NOW]
    checker, token = checker_of(signer.key, now=now), signer.token({**CLAIMS, "nbf": NOW + 3})
    for seconds, status in ((0, 200), (60, 200), (64, 200), (65, 401), (-3, 401), (-2, 200)):
        now[0] = NOW + seconds
        assert asked(checker, token)[0] == status, seconds
    assert asked(checker_of(signer.key, leeway_s=0), token)[0] == 401


def test_what_is_not_for_us_or_not_now_is_refused(signer: Signer) -> None:
    for changes in ({"exp": NOW - 60}, {"aud": "SMF"}, {"aud": ["x"]}, {"iss": "other"}, {"nbf": NOW + 60}):
        status, challenge = answer(signer.key, signer.token({**CLAIMS, **changes}))
        assert (status, challenge) == (401, 'Bearer error="invalid_token"'), changes
    status, challenge = answer(signer.key, signer.token({**CLAIMS, "scope": "nchf-convergedchargin"}))
    assert (status, challenge) == (403, 'Bearer error="insufficient_scope"')
    assert answer(signer.key, None) == (401, "Bearer")
    nobody = signer.token({**CLAIMS, "aud": ""})
    assert answer(signer.key, nobody)[0] == 401
    assert asked(checker_of(signer.key, without_audience=True), nobody)[0] == 200
    assert (
        asked(checker_of(signer.key, without_audience=True), signer.token({**CLAIMS, "aud": "SMF"}))[0] == 401
    )


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
    with pytest.raises(ValueError, match="2048"):
        verifiers_of(Signer(require_rig("openssl"), tmp_path, 1024).key)
    assert answer(signer.key, good)[0] == 200


def test_a_shared_secret_signs_too_but_never_for_a_public_key(signer: Signer) -> None:
    secret = b"0123456789abcdef0123456789abcdef"
    head = encoded(json.dumps({"alg": "HS256"}).encode())
    signed = f"{head}.{encoded(json.dumps(CLAIMS).encode())}"

    def by(key: bytes) -> str:
        return f"{signed}.{encoded(hmac.new(key, signed.encode(), hashlib.sha256).digest())}"

    assert answer(Key("oct", k=encoded(secret)), by(secret)) == (200, "")
    assert answer(Key("oct", k=encoded(b"x" + secret[1:])), by(secret))[0] == 401
    public = signer.run("rsa", "-in", str(signer.pem), "-pubout")
    for one in (public, public.strip(), signer.key.n.encode()):
        assert answer(signer.key, by(one))[0] == 401
    for short in (b"", secret[:31]):  # RFC 7518 §3.2: as long as the digest
        with pytest.raises(ValueError, match=r"no key|32 bytes"):
            verifiers_of(Key("oct", k=encoded(short)))


def test_without_tokens_in_the_profile_none_is_asked_for() -> None:
    Checker(None, instance="", now_s=lambda: NOW).check(Request("POST", "/", {}), scope=SCOPE)
