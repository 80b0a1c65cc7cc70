"""Kamailio's ``ims_charging`` charges calls of SIPp with Farwire: granted, cut at the last unit, refused, billed."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from farwire.base.storage import Database
from farwire.kernel.ids import TenantId
from tests.gateway.billed import a_contract
from tests.gateway.processes import PROFILES, Processes

pytestmark = [
    pytest.mark.rigs,
    pytest.mark.shared,
    pytest.mark.full,
]
CALLER = "491701234567"
VIENNA = "4319999999"


class Phones:
    """Kamailio, a phone that is called, and calls of the other one."""

    def __init__(self, processes: Processes, shared: Path, programs: dict[str, Path]) -> None:
        self.processes, self.programs = processes, programs
        self.folder = processes.folder / "kam"
        self.folder.mkdir()
        for path in (shared / "peer-configs" / "kamailio").iterdir():
            text = path.read_text().replace("RIG/kam", str(self.folder))
            # The machine may be busy: charging is waited for longer than in a network.
            text = text.replace('TransactionTimeout="5"', 'TransactionTimeout="60"')
            # Two processes would let a 200 pass the 180 before it, and the caller would hang up.
            text = text.replace("children=2", "children=1")
            (self.folder / path.name).write_text(processes.moved(text))
        called = subprocess.run(
            [programs["sipp"], "-sd", "uas"], capture_output=True, text=True, check=False
        ).stdout
        (self.folder / "uas.xml").write_text(
            called.replace("[last_CSeq:]", "[last_CSeq:]\n      [last_Record-Route:]")
        )

    def start(self) -> None:
        words = (
            str(self.programs["kamailio"]),
            "-DD",
            "-E",
            "-f",
            "kam.cfg",
            "-P",
            str(self.folder / "k.pid"),
        )
        self.processes.run("kamailio", *words, cwd=self.folder)
        self.processes.wait(lambda: "diameter peer connected" in self.processes.said("gateway"), "kamailio")
        words = (str(self.programs["sipp"]), "-sf", "uas.xml", "-i", "127.0.0.1", "-nostdin", "-p")
        port = self.processes.port(5080)
        called = psutil.Process(self.processes.run("uas", *words, str(port), cwd=self.folder).pid)
        self.processes.wait(
            lambda: any(one.laddr.port == port for one in called.net_connections("udp")), "uas"
        )

    def call(self, seconds: int, caller: str = CALLER, called: str = "4930123456") -> int:
        """Make a call; return how it ended: 0 is well."""
        scenario = (self.folder / "uac.xml").read_text().replace(CALLER, caller)
        (self.folder / "one.xml").write_text(scenario)
        ours, theirs = self.processes.port(5070), self.processes.port(5060)
        words = [
            str(self.programs["sipp"]), "-sf", "one.xml", "-i", "127.0.0.1", "-p", str(ours), "-s", called,
            "-m", "1", "-d", str(seconds * 1_000), "-nostdin", "-timeout", "180", f"127.0.0.1:{theirs}",
        ]  # fmt: skip
        with (self.folder / "uac.log").open("wb") as log:
            return subprocess.run(
                [*words, "-trace_err", "-error_file", "uac_errors.log"], cwd=self.folder, stdout=log,
                stderr=subprocess.STDOUT, check=False, timeout=240,
            ).returncode  # fmt: skip

    def why(self) -> str:
        """Return what Kamailio and the caller say of the last call."""
        heard = self.folder / "uac_errors.log"
        return self.processes.said("kamailio") + (heard.read_text() if heard.exists() else "")

    def balance(self) -> int:
        """Return what the caller has, in cents."""
        shown = json.loads(self.processes.call("charging", "account", "show", CALLER, "--json"))
        return round(float(shown["balance"].split()[0]) * 100)


@pytest.fixture
def phones(
    shop: None, processes: Processes, require_rig: Callable[[str], Path], shared_data: Path, tmp_path: Path
) -> Phones:
    found = Phones(processes, shared_data, {name: require_rig(name) for name in ("kamailio", "sipp")})
    (tmp_path / "peers.toml").write_text(PROFILES.format(identity="localhost", port=processes.port(3868)))
    processes.farwire("gateway", "gateway", "diameter", "serve", "peers.toml", until="is served at")
    found.start()
    return found


def test_calls_are_granted_and_paid_cut_at_the_last_unit_and_refused(phones: Phones) -> None:
    said = phones.processes.said
    assert phones.call(8) == 0, phones.why()
    assert 7 <= 20 - phones.balance() < 20, "0.01 a second"
    assert phones.call(40) != 0, "hung up by Kamailio"
    assert phones.balance() == 0
    assert phones.call(3) != 0, "nothing is left"
    assert phones.call(3, "4999") != 0, "nobody knows this caller"
    assert "[5030]" in said("kamailio")
    assert re.findall(r"cca_return_code=(-?1)", said("kamailio")) == ["1", "1", "-1", "-1"]


def test_a_denied_call_is_refused_by_each_code_and_nothing_is_paid(phones: Phones) -> None:
    said, processes = phones.processes.said, phones.processes
    words = ("charging", "account")
    processes.call(*words, "bar", CALLER, "--key", "denied")
    assert phones.call(3) != 0, "the account is barred"
    processes.call(*words, "unbar", CALLER, "--key", "denied-no-more")
    shard = processes.started[0][0]
    shard.send_signal(signal.SIGSTOP)
    try:
        assert phones.call(3) != 0, "no shard answers"
    finally:
        shard.send_signal(signal.SIGCONT)
    assert phones.call(1) == 0, phones.why()
    assert re.findall(r"cca_return_code=(-?1)", said("kamailio")) == ["-1", "-1", "1"]
    assert phones.balance() < 20
    for code in ("4010", "3004"):
        assert f"[{code}]" in said("kamailio"), code


async def test_a_call_is_on_the_bill_of_its_caller_with_its_reason(
    phones: Phones, db: Database, tenant_id: TenantId
) -> None:
    contract = await a_contract(db, tenant_id, phones.processes, "491701234568")
    assert phones.call(2, "491701234568", VIENNA) == 0, phones.why()
    (why,) = (await contract.explained()).values()
    assert "Other voice: 0.09 exactly, 0.09 EUR on the bill." in why
    assert re.search(r"[2-9] s of voice, billed as 1 min, by price other of flex-m version 1", why), why
