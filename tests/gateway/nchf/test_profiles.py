"""What is wrong in a document of consumers is named by its path, above all what would let anybody in."""

from __future__ import annotations

from base64 import urlsafe_b64encode

import pytest

from farwire.gateway.nchf.profiles import read_profiles
from farwire.kernel.errors import Invalid

INSTANCE = 'instance = "0a5c8b12-6f1e-4d7a-9b53-2f0c1e7d8a90"\n'
SMF = '[[consumers]]\nname = "smf"\ntenant = "acme"\n'
FROM = 'addresses = ["192.0.2.0/24"]\n'


def text(octets: bytes) -> str:
    return urlsafe_b64encode(octets).decode().rstrip("=")


def keys(*rows: str) -> str:
    found = "".join(f"[[tokens.keys]]\n{row}\n" for row in rows) or "[tokens]\nkeys = []\n"
    return INSTANCE + SMF + FROM + found


SECRET = f'kty = "oct"\nk = "{text(bytes(range(32)))}"'
PUBLIC = f'kty = "RSA"\nn = "{text(bytes([255]) * 256)}"'


@pytest.mark.parametrize(
    ("document", "path"),
    [
        (SMF, "consumers[0].addresses"),
        (SMF + "tls = true\n", "consumers[0].addresses"),
        (keys(), "tokens.keys"),
        (keys(SECRET, 'kty = "oct"'), "tokens.keys[1]"),
        (keys(f'kty = "oct"\nk = "{text(bytes(31))}"'), "tokens.keys[0]"),
        (keys('kty = "oct"\nk = "no base64url!"'), "tokens.keys[0]"),
        (keys('kty = "RSA"'), "tokens.keys[0]"),
        (keys(f'kty = "RSA"\nn = "{text(bytes([255]) * 255)}"'), "tokens.keys[0]"),
        (keys(PUBLIC + '\ne = "AQ"'), "tokens.keys[0]"),
        (keys(PUBLIC + '\ne = ""'), "tokens.keys[0]"),
    ],
)
def test_a_document_that_would_let_anybody_in_is_refused(document: str, path: str) -> None:
    with pytest.raises(Invalid) as caught:
        read_profiles(document)
    assert (caught.value.code, caught.value.field) == ("nchf.profiles", path)


def test_addresses_certificates_or_tokens_say_who_asks() -> None:
    tls = SMF + "tls = true\n"
    assert read_profiles('authorities = "ca.pem"\n' + tls).consumers[0].tls
    assert read_profiles(INSTANCE + tls + f"[[tokens.keys]]\n{SECRET}\n").tokens is not None
    assert read_profiles(keys(SECRET, PUBLIC)).consumers[0].addresses
