"""The line of a packet gateway over 5G (Nchf_ConvergedCharging): a client of Farwire's own gateway, on HTTP/2."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from farwire.base.clock import Clock
from farwire.charging.model import FinalAction, Phase, ResultCode
from farwire.demo.day_a.packet_gateway import RATING_GROUP, Quota
from farwire.demo.day_a.served import served
from farwire.demo.day_a.shard import Charging
from farwire.gateway.nchf.serving import serve
from farwire.kernel.errors import Unavailable, check

PROFILES: Final = """
listen = ["127.0.0.1:0"]

[[consumers]]
name = "smf"
addresses = ["127.0.0.1"]
tenant = "%s"
"""
ROOT: Final = "/nchf-convergedcharging/v3/chargingdata"
ANSWER_S: Final = 30
"""How long an answer is waited for."""
RESULTS: Final[Mapping[str, ResultCode]] = {
    "SUCCESS": ResultCode.SUCCESS,
    "QUOTA_LIMIT_REACHED": ResultCode.CREDIT_LIMIT_REACHED,
}
_LAST: Final = {Phase.UPDATE: "update", Phase.TERMINATION: "release"}
_DONE: Final = {Phase.INITIAL: 201, Phase.UPDATE: 200, Phase.TERMINATION: 204}


@asynccontextmanager
async def open_nchf(*, shard: Charging, tenant: str, msisdn: str) -> AsyncIterator[NchfLine]:
    """Serve Nchf in front of the shard, and connect to it as the subscriber's session management function."""
    async with (
        served(serve, shard=shard, profiles=PROFILES % tenant) as address,
        httpx.AsyncClient(
            base_url=f"http://{address}", http1=False, http2=True, trust_env=False, timeout=ANSWER_S
        ) as client,
    ):
        yield NchfLine(client, shard.clock, shard.epoch, msisdn)


@dataclass(slots=True)
class NchfLine:
    """One connection, one request outstanding. ``epoch`` tells its sessions from those before a restart."""

    client: httpx.AsyncClient
    clock: Clock
    epoch: int
    msisdn: str
    sessions: dict[int, str] = field(default_factory=dict)
    """Where each session is, as the gateway has said."""

    async def ask(
        self, session: int, number: int, phase: Phase, used: int, *, repeated: bool = False
    ) -> Quota:
        """Send a ChargingDataRequest; return what is given. Raises ``Unavailable`` (``demo.no_answer``)."""
        usage: dict[str, Any] = {"ratingGroup": RATING_GROUP}
        if phase != Phase.TERMINATION:
            usage["requestedUnit"] = {}
        if phase != Phase.INITIAL:
            usage["usedUnitContainer"] = [{"localSequenceNumber": 1, "totalVolume": used}]
        document = {
            "subscriberIdentifier": f"msisdn-{self.msisdn}",
            "nfConsumerIdentification": {"nodeFunctionality": "SMF", "nFName": f"demo-{self.epoch}"},
            "invocationTimeStamp": self.clock.now().isoformat(),
            "invocationSequenceNumber": number,
            "retransmissionIndicator": repeated,
            "multipleUnitUsage": [usage],
            "pDUSessionChargingInformation": {
                "chargingId": session,
                "pduSessionInformation": {"pduSessionID": 1, "dnnId": "internet"},
            },
        }
        path = ROOT if phase == Phase.INITIAL else f"{self.sessions[session]}/{_LAST[phase]}"
        answer = await self.client.post(path, json=document)
        if answer.status_code >= 500:
            raise Unavailable("the gateway cannot charge now", code="demo.no_answer")
        check(answer.status_code == _DONE[phase], "demo.session", f"the gateway answers {answer.text}")
        if phase == Phase.INITIAL:
            self.sessions[session] = answer.headers["location"]
        return _quota({} if phase == Phase.TERMINATION else answer.json())


def _quota(answer: dict[str, Any]) -> Quota:
    (group,) = answer.get("multipleUnitInformation", [{"resultCode": "SUCCESS"}])
    final = group.get("finalUnitIndication", {}).get("finalUnitAction", "NONE")
    return Quota(
        group.get("grantedUnit", {}).get("totalVolume", 0),
        group.get("volumeQuotaThreshold", 0),
        FinalAction[final],
        RESULTS[group["resultCode"]],
        answer,
    )
