"""The network repository: where this function is registered, and where its access tokens come from.

Registered by PUT, kept by a heartbeat (PATCH) as often as the NRF says, registered anew where the NRF has forgotten it,
taken away at the end. While the NRF does not answer everything else goes on. Source: TS 29.510 §5.2.2, §6.1, §6.3.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import httpx
import msgspec
import structlog

from farwire.base.telemetry.metrics import gauge
from farwire.gateway.nchf.profiles import Node, Nrf
from farwire.kernel.errors import Unavailable

SERVICES: Final = {
    "nchf-convergedcharging": ("v3", "3.1.6"),
    "nchf-offlineonlycharging": ("v1", "1.1.0"),
    "nchf-spendinglimitcontrol": ("v1", "1.2.0"),
}
"""What is offered: the version in paths, and that of the document."""
_ANSWERED_S: Final = 5.0
_PAUSE_S: Final = 5.0
"""After a registration that failed."""
_MARGIN_S: Final = 30
"""A token is renewed so long before its end."""
_log = structlog.get_logger(__name__)
_REGISTERED: Final = gauge("farwire_nchf_registered", "Whether the NRF has this function: 1, 0.")


class _Registered(msgspec.Struct, frozen=True):
    timer: int = msgspec.field(name="heartBeatTimer", default=0)


class _Token(msgspec.Struct, frozen=True):
    access_token: str
    expires_in: int = 60


class Repository:
    """Talks to one NRF."""

    def __init__(
        self, node: Node, nrf: Nrf, *, client: httpx.AsyncClient, now_ms: Callable[[], int], security: bool
    ) -> None:
        """``security``: whether others reach us over TLS."""
        self._node = node
        self._nrf = nrf
        self._client = client
        self._now = now_ms
        self._scheme = "https" if security else "http"
        self._timer = nrf.heartbeat_s
        self._registered = False
        self._token: tuple[str, int] = ("", 0)

    @property
    def _uri(self) -> str:
        return f"{self._nrf.uri}/nnrf-nfm/v1/nf-instances/{self._node.instance}"

    def profile(self) -> dict[str, object]:
        """Return our NFProfile."""
        nrf = self._nrf
        endpoints = [
            {
                ("ipv6Address" if ":" in address else "ipv4Address"): address,
                "transport": "TCP",
                "port": nrf.port,
            }
            for address in nrf.addresses
        ]
        found: dict[str, object] = {
            "nfInstanceId": self._node.instance,
            "nfType": "CHF",
            "nfStatus": "REGISTERED",
            "heartBeatTimer": nrf.heartbeat_s,
            "priority": nrf.priority,
            "capacity": nrf.capacity,
            "nfServices": [
                {
                    "serviceInstanceId": name,
                    "serviceName": name,
                    "versions": [{"apiVersionInUri": path, "apiFullVersion": full}],
                    "scheme": self._scheme,
                    "nfServiceStatus": "REGISTERED",
                    "ipEndPoints": endpoints,
                    **({"apiPrefix": nrf.api_prefix} if nrf.api_prefix else {}),
                }
                for name, (path, full) in SERVICES.items()
            ],
        }
        for version in (4, 6):
            own = [address for address in nrf.addresses if (":" in address) == (version == 6)]
            if own:
                found[f"ipv{version}Addresses"] = own
        if nrf.plmns:
            found["plmnList"] = [{"mcc": plmn[:3], "mnc": plmn[3:]} for plmn in nrf.plmns]
        if nrf.supi_ranges:
            ranges = [{"start": first, "end": last} for first, last in nrf.supi_ranges]
            found["chfInfo"] = {"supiRangeList": ranges}
        return found

    async def run(self) -> None:
        """Register, and say that we are there, until cancelled; then deregister."""
        try:
            while True:
                done = await (self._beat() if self._registered else self._register())
                _REGISTERED.set(1 if self._registered else 0)
                await asyncio.sleep(self._timer if done else min(_PAUSE_S, self._timer))
        finally:
            if self._registered:
                await self._ask("DELETE", None)
                _REGISTERED.set(0)

    async def _register(self) -> bool:
        answer = await self._ask("PUT", self.profile())
        if answer is None or answer.status_code not in (200, 201):
            return False
        try:
            told = msgspec.json.decode(answer.content, type=_Registered).timer
        except msgspec.MsgspecError:
            told = 0
        self._timer = told if told > 0 else self._nrf.heartbeat_s
        self._registered = True
        _log.info("registered with the NRF", heartbeat_s=self._timer)
        return True

    async def _beat(self) -> bool:
        change = [{"op": "replace", "path": "/nfStatus", "value": "REGISTERED"}]
        answer = await self._ask("PATCH", change)
        if answer is not None and answer.status_code == 404:  # it has forgotten us
            self._registered = False
            return await self._register()
        return answer is not None and answer.status_code in (200, 204)

    async def _ask(self, method: str, body: object) -> httpx.Response | None:
        kind = "application/json-patch+json" if method == "PATCH" else "application/json"
        try:
            answer = await self._client.request(
                method,
                self._uri,
                content=None if body is None else msgspec.json.encode(body),
                headers={} if body is None else {"content-type": kind},
                timeout=_ANSWERED_S,
            )
        except (httpx.HTTPError, OSError) as error:
            _log.warning("the NRF does not answer", method=method, error=type(error).__name__)
            return None
        if answer.status_code >= 400:
            _log.warning("the NRF refuses", method=method, status=answer.status_code)
        return answer

    async def headers(self) -> Mapping[str, str]:
        """Return the header with our access token for notifications. Raises ``Unavailable`` (``nchf.no_token``)."""
        if not self._nrf.token:
            return {}
        token, until = self._token
        if self._now() >= until:
            token = await self._fetch()
        return {"authorization": f"Bearer {token}"}

    async def _fetch(self) -> str:
        form = {
            "grant_type": "client_credentials", "nfInstanceId": self._node.instance, "nfType": "CHF",
            "targetNfType": "SMF", "scope": "nsmf-pdusession",
        }  # fmt: skip
        try:
            answer = await self._client.post(f"{self._nrf.uri}/oauth2/token", data=form, timeout=_ANSWERED_S)
            answer.raise_for_status()
            found = msgspec.json.decode(answer.content, type=_Token)
        except (httpx.HTTPError, OSError, msgspec.MsgspecError) as error:
            raise Unavailable(
                f"the NRF gives no access token: {type(error).__name__}",
                code="nchf.no_token",
                retry_after_s=1,
            ) from None
        life_s = max(found.expires_in - _MARGIN_S, found.expires_in // 2)
        self._token = (found.access_token, self._now() + life_s * 1_000)
        return found.access_token
