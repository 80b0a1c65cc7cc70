"""Requests to one HTTP server, and what its answers mean. What it says about an error is never repeated."""

from __future__ import annotations

import base64
import ssl
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import msgspec

from farwire.activation.adapters import Element
from farwire.activation.adapters.attempts import hush
from farwire.activation.adapters.http.mapping import Settings
from farwire.activation.adapters.settings import no_answer, refused, secret_of, unusable

if TYPE_CHECKING:
    import httpx

ANSWER_MOST: Final = 16 * 1024 * 1024
_STRANGER: Final = (401, 403)
_PASSING: Final = frozenset({408, 409, 423, 425, 429})
"""Refusals that say: not now. So does every status from 500."""
_GONE: Final = (404, 410)


class Server:
    """Connections to one server."""

    def __init__(self, element: Element, settings: Settings) -> None:
        import httpx

        hush("httpx", "httpcore")
        self._element = element
        self._web = httpx.AsyncClient(
            base_url=element.address,
            headers=_login(element, settings),
            verify=_security(settings.authorities) if element.address.startswith("https:") else False,
            trust_env=False,
            timeout=element.timeout_s,
        )

    async def close(self) -> None:
        """Hang up."""
        await self._web.aclose()

    async def get(self, path: str) -> Any:
        """Return the document at a path, None where there is none."""
        octets = await self._asked("GET", path, b"")
        if octets is None:
            return None
        try:
            return msgspec.json.decode(octets)
        except msgspec.DecodeError:
            raise no_answer(self._element, "its answer is no JSON") from None

    async def send(self, method: str, path: str, body: bytes) -> bool:
        """Change something; return whether there was something to change."""
        return await self._asked(method, path, body) is not None

    async def _asked(self, method: str, path: str, body: bytes) -> bytes | None:
        import httpx

        headers = {"Content-Type": "application/json"} if body else {}
        try:
            async with self._web.stream(method, path, content=body or None, headers=headers) as answer:
                octets = await self._read(answer)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise no_answer(self._element, type(error).__name__) from None
        status = answer.status_code
        if status in _GONE:
            return None
        if status in _STRANGER:
            raise unusable("credentials", f"it does not let us in with them (status {status})")
        if status in _PASSING or status >= 500:
            raise no_answer(self._element, f"status {status}")
        if status >= 300:
            raise refused(self._element, f"status {status}")
        return octets

    async def _read(self, answer: httpx.Response) -> bytes:
        octets = bytearray()
        async for part in answer.aiter_bytes():
            octets += part
            if len(octets) > ANSWER_MOST:
                raise no_answer(self._element, f"more than {ANSWER_MOST} octets")
        return bytes(octets)


def _login(element: Element, settings: Settings) -> dict[str, str]:
    if settings.login == "none":
        return {}
    secret = secret_of(element)
    if not secret.isascii() or not secret.isprintable():
        raise unusable("credentials", "they cannot go in a header")
    if settings.login == "header":
        return {settings.header: secret}
    if settings.login == "basic":
        return {"Authorization": "Basic " + base64.b64encode(secret.encode()).decode()}
    return {"Authorization": f"Bearer {secret}"}


@lru_cache(maxsize=32)
def _security(authorities: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=authorities or None)
    except OSError:
        raise unusable("authorities", "the file cannot be read") from None
