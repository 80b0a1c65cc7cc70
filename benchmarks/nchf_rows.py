"""Load on the 5G gateway by ``h2load`` (package nghttp2-client): updates of sessions, each of them once.

h2load sends one body to many addresses. So the sessions are opened at the shard beforehand; each address names one of
them, as the answer to its creation would. A late answer does not delay what h2load sends later at a given rate, but
times are counted from when a request was sent: a stall is spared where Diameter's rows are not.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from benchmarks.charging_run import Figures, Server, cores
from benchmarks.charging_world import TENANT
from farwire.charging.model import Ask, Phase, ResultCode, Service, SessionRequest
from farwire.charging.service import Address, SocketClient
from farwire.gateway.nchf.reference import Reference

MB = 1_000_000
_NS = 1_000
_AT_ONCE = 500


class Sessions:
    """Sessions of the accounts 1 … ``count``, opened at a shard; ``reported`` counts what each has reported."""

    def __init__(self, shard: Server, gateway: Server, count: int) -> None:
        self._shard, self._gateway = shard, gateway
        self.count, self.reported = count, 0
        asyncio.run(self._open())

    async def _open(self) -> None:
        client = SocketClient(lambda _: Address(host="127.0.0.1", port=int(self._shard.told["port"])))
        for first in range(1, self.count + 1, _AT_ONCE):
            numbers = range(first, min(first + _AT_ONCE, self.count + 1))
            answers = await asyncio.gather(*(client.ask(TENANT, _first(number)) for number in numbers))
            assert {one.groups[0].result for one in answers} == {ResultCode.SUCCESS}
        await client.close()

    def update(self, *, requests: int, connections: int, streams: int, rate: float = 0.0) -> Figures:
        """Let ``requests`` of the sessions report and ask for more; a ``rate`` of 0 is a closed loop."""
        self.reported += 1
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            (folder / "body").write_text(json.dumps(_body(self.reported)))
            (folder / "addresses").write_text("\n".join(self._address(one + 1) for one in range(requests)))
            words = [
                "h2load", "-n", str(requests), "-c", str(connections), "-m", str(streams), "-t", "1",
                "-i", str(folder / "addresses"), "-d", str(folder / "body"), "-H", "content-type: application/json",
                f"--log-file={folder / 'log'}",
            ]  # fmt: skip
            if rate:
                words.append(f"--rps={rate / connections:.0f}")
            before = [one.cpu_s() for one in (self._gateway, self._shard)]
            subprocess.run(
                ["taskset", "-c", str(cores()[1][0]), *words], check=True, stdout=subprocess.DEVNULL
            )
            spent = [one.cpu_s() - was for one, was in zip((self._gateway, self._shard), before, strict=True)]
            found = [
                tuple(int(word) for word in line.split())
                for line in (folder / "log").read_text().splitlines()
            ]
        return _figures(found, requests, spent)

    def _address(self, number: int) -> str:
        port, reference = self._gateway.told["port"], Reference(TENANT, number, 1, number, 0, "data")
        return f"http://127.0.0.1:{port:.0f}/nchf-convergedcharging/v3/chargingdata/{reference.text()}/update"


def _first(number: int) -> SessionRequest:
    return SessionRequest(number, 1, number, 0, Phase.INITIAL, Service("data"), (Ask(1, 0, MB),))


def _body(number: int) -> dict[str, object]:
    return {
        "nfConsumerIdentification": {"nodeFunctionality": "SMF", "nFIPv4Address": "192.0.2.7"},
        "invocationTimeStamp": "2026-06-01T00:00:00Z",
        "invocationSequenceNumber": number,
        "multipleUnitUsage": [
            {
                "ratingGroup": 1,
                "requestedUnit": {"totalVolume": MB},
                "usedUnitContainer": [{"localSequenceNumber": number, "totalVolume": MB}],
            }
        ],
        "pDUSessionChargingInformation": {
            "chargingId": 7,
            "pduSessionInformation": {
                "pduSessionID": 1,
                "dnnId": "internet",
                "servingCNPlmnId": {"mcc": "262", "mnc": "01"},
            },
        },
    }


def _figures(found: list[tuple[int, ...]], requests: int, spent: list[float]) -> Figures:
    """Return the figures of a run from the lines of h2load: µs since 1970, status, µs until the answer."""
    took = sorted(one[2] for one in found)
    seconds = (max(one[0] + one[2] for one in found) - min(one[0] for one in found)) / 1e6
    wrong = [one[1] for one in found if one[1] != 200]

    def at(part: float) -> float:
        return float(took[min(int(part * len(took)), len(took) - 1)] * _NS)

    return {
        "per_s": len(found) / seconds, "answered": len(found), "unanswered": requests - len(found),
        "wrong": len(wrong), "first_wrong": wrong[0] if wrong else 0, "p50": at(0.5), "p90": at(0.9),
        "p99": at(0.99), "p999": at(0.999), "max": float(took[-1] * _NS), "cpu_us": 1e6 * spent[0] / len(found),
        "behind_us": 1e6 * spent[1] / len(found),
    }  # fmt: skip


def can_load() -> bool:
    """Tell whether h2load is here."""
    return shutil.which("h2load") is not None
