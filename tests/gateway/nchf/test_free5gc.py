"""The session management of free5GC, whose requests are written here as its source writes them (smf, chf_service.go).

It numbers no request, opens a session before any rating group is there, tells local times to the nanosecond, keeps of
Location what is behind the last slash, and counts a quota only when a trigger of its group says so.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.kernel.ids import TenantId
from tests.gateway.nchf.openapi import Documents
from tests.gateway.nchf.test_converged import group
from tests.gateway.nchf.world import MB, ROOT, World, a_consumer, a_node, a_world
from tests.gateway.world import EURO

TRIGGERS = ("QUOTA_EXHAUSTED", "VALIDITY_TIME", "QUOTA_THRESHOLD")
UPF = "0b5c8b12-6f1e-4d7a-9b53-2f0c1e7d8a90"


@pytest.fixture
async def world(
    db: Database, tenant_id: TenantId, clock: MovableClock, tmp_path: Path, documents: Documents
) -> AsyncIterator[World]:
    node = a_node(consumers=(a_consumer(group_triggers=TRIGGERS),))
    async with a_world(db, tenant_id, clock, tmp_path, documents, node=node) as found:
        yield found


def request(second: int, *groups: dict[str, Any]) -> bytes:
    """Return a request. Its nFName is no UUID, so the document of 3GPP would refuse it."""
    found: dict[str, Any] = {
        "chargingId": 1,
        "subscriberIdentifier": "imsi-208930000000001",
        "nfConsumerIdentification": {
            "nFName": "SMF",
            "nFIPv4Address": "127.0.0.2",
            "nodeFunctionality": "SMF",
        },
        "invocationTimeStamp": f"2026-06-01T02:00:{second:02}.123456789+02:00",
        "notifyUri": "http://127.0.0.2:8000/nsmf-callback/notify_urn:uuid:6d1b5f0e-0000-4000-8000-000000000001",
        "pDUSessionChargingInformation": {
            "chargingId": 1,
            "userInformation": {"servedGPSI": "msisdn-491511", "servedPEI": "imeisv-1110000000000000"},
            "pduSessionInformation": {
                "networkSlicingInfo": {"sNSSAI": {"sst": 1, "sd": "010203"}},
                "pduSessionID": 1,
                "pduType": "IPV4",
                "servingNetworkFunctionID": {
                    "servingNetworkFunctionInformation": {"nodeFunctionality": "AMF"}
                },
                "dnnId": "internet",
            },
        },
    }
    return json.dumps({**found, "multipleUnitUsage": list(groups)} if groups else found).encode()


def report(used: int | None = None) -> dict[str, Any]:
    """Return what is used and asked for; None: the report of a flow that begins, which asks for nothing."""
    container: dict[str, Any] = {
        "quotaManagementIndicator": "ONLINE_CHARGING",
        "triggers": [{"triggerType": "QUOTA_EXHAUSTED", "triggerCategory": "IMMEDIATE_REPORT"}],
        "triggerTimestamp": "2026-06-01T02:00:00.123456789+02:00",
        "localSequenceNumber": 0,
    }
    found: dict[str, Any] = {"ratingGroup": 1, "uPFID": UPF, "usedUnitContainer": [container]}
    if used is not None:
        container.update(totalVolume=used, uplinkVolume=used // 2, downlinkVolume=used - used // 2)
        found["requestedUnit"] = dict.fromkeys(("totalVolume", "uplinkVolume", "downlinkVolume"), 30 * MB)
    return found


async def test_a_session_of_free5gc_is_charged_to_its_end(world: World) -> None:
    location, first = await world.create(request(0))
    assert "multipleUnitInformation" not in first
    uri = f"{ROOT}/{location.rsplit('/', 1)[-1]}"
    begun = await world.post(f"{uri}/update", request(1, report()))
    assert group(begun.json())["resultCode"] == "SUCCESS"
    granted, second = 0, 1
    while True:
        second += 1
        told = group((await world.post(f"{uri}/update", request(second, report(granted)))).json())
        assert told["uPFID"] == UPF
        assert [one["triggerType"] for one in told["triggers"]] == list(TRIGGERS)
        if "grantedUnit" not in told:
            break
        granted = told["grantedUnit"]["totalVolume"]
        assert told["validityTime"] > 0
    assert told["resultCode"] == "QUOTA_LIMIT_REACHED"
    assert await world.balance() == 0
    released = await world.post(f"{uri}/release", request(second + 1, report(0)))
    assert released.status_code == 204


async def test_two_sessions_of_free5gc_are_told_apart(world: World) -> None:
    one, _ = await world.create(request(0))
    two, _ = await world.create(request(5))
    assert one != two
    for uri in (one, two):
        assert (await world.post(f"{uri}/update", request(9, report(MB)))).status_code == 200
    assert await world.balance() == EURO - 2 * EURO // 50
