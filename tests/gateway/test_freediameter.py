"""python-diameter asks, freeDiameter relays: another gateway answers for a killed one, a client hears of changes."""

from __future__ import annotations

import json
import signal
import subprocess
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.gateway.processes import PROFILES, Processes, free_port
from tests.gateway.python_diameter import Client

NUMBER = "491701234567"


def balance(processes: Processes) -> str:
    shown: str = json.loads(processes.call("charging", "account", "show", NUMBER, "--json"))["balance"]
    return shown


def a_relay(processes: Processes, shared: Path, program: Path) -> None:
    """Start freeDiameter with two servers behind it."""
    folder = processes.folder / "dia"
    folder.mkdir()
    for path in (shared / "peer-configs" / "freediameter").iterdir():
        (folder / path.name).write_text(processes.moved(path.read_text().replace("RIG/dia", str(folder))))
    subprocess.run(
        ["openssl", "req", "-new", "-x509", "-nodes", "-newkey", "rsa:2048", "-keyout", "fd.key", "-out", "fd.pem",
         "-days", "2", "-subj", "/CN=fd.test.realm"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    processes.run("relay", str(program), "-c", "fdr2.conf", cwd=folder)


def a_gateway(processes: Processes, identity: str, port: int, *more: str) -> subprocess.Popen[bytes]:
    (processes.folder / f"{identity}.toml").write_text(PROFILES.format(identity=identity, port=port))
    words = ("gateway", "diameter", "serve", f"{identity}.toml", *more)
    return processes.farwire(identity, *words, until="is served at")


def pending(port: int) -> bool:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as found:
        return "farwire_diameter_pending 1.0" in found.read().decode()


@pytest.mark.rigs
@pytest.mark.shared
@pytest.mark.full
def test_a_request_whose_gateway_is_killed_is_answered_by_the_other_and_debited_once(
    shop: None,
    processes: Processes,
    clients: Callable[..., Client],
    require_rig: Callable[[str], Path],
    shared_data: Path,
) -> None:
    relay = require_rig("freeDiameterd")
    port = free_port()
    first = a_gateway(processes, "ocs.test.realm", processes.port(3868), "--metrics", f"127.0.0.1:{port}")
    a_gateway(processes, "ocs2.test.realm", processes.port(3869))
    a_relay(processes, shared_data, relay)
    for one in ("ocs.test.realm", "ocs2.test.realm"):
        processes.wait(lambda one=one: "diameter peer connected" in processes.said(one), "relay")  # type: ignore[misc]
    client = clients("fd.test.realm", "test.realm", processes.port(3870), NUMBER)
    begun = client.ask(1, 0, requested=2_000_000)
    assert (begun.result_code, begun.origin_host) == (2001, b"ocs.test.realm")
    shard = processes.started[0][0]
    with ThreadPoolExecutor(1) as pool:
        shard.send_signal(signal.SIGSTOP)
        answer = pool.submit(client.ask, 2, 1, used=2_000_000, requested=1_000_000)
        processes.wait(lambda: pending(port))
        first.kill()
        shard.send_signal(signal.SIGCONT)
        found = answer.result(60)
    assert (found.result_code, found.origin_host) == (2001, b"ocs2.test.realm")
    assert found.multiple_services_credit_control[0].granted_service_unit.cc_total_octets == 1_000_000
    assert "diameter request repeated" in processes.said("ocs2.test.realm")
    assert client.ask(3, 2).result_code == 2001
    assert balance(processes) == "0.16 EUR", "2 MB at 0.02, once"


@pytest.mark.rigs
@pytest.mark.shared
@pytest.mark.full
def test_a_client_behind_a_relay_is_told_of_a_top_up_by_whoever_runs(
    shop: None,
    processes: Processes,
    clients: Callable[..., Client],
    require_rig: Callable[[str], Path],
    shared_data: Path,
) -> None:
    relay = require_rig("freeDiameterd")
    a_gateway(processes, "ocs.test.realm", processes.port(3868))
    a_relay(processes, shared_data, relay)
    processes.wait(lambda: "diameter peer connected" in processes.said("ocs.test.realm"), "relay")
    processes.farwire("worker", "worker", until="Working on")
    processes.wait(lambda: "gateway-sessions" in processes.call("events", "subscribers"), "worker")
    client = clients("fd.test.realm", "test.realm", processes.port(3870), NUMBER)
    assert client.ask(1, 0, requested=2_000_000).result_code == 2001
    processes.call("charging", "account", "topup", NUMBER, "0.30", "--key", "told")
    processes.wait(lambda: client.told, "ocs.test.realm")
    asked = client.told[0]
    assert (type(asked).__name__, asked.destination_host) == ("ReAuthRequest", b"pgw.test.realm")
    processes.wait(lambda: '"outcome": "done"' in processes.said("ocs.test.realm"), "ocs.test.realm")
    assert client.ask(2, 1, used=2_000_000, requested=1_000_000).result_code == 2001
    assert client.ask(3, 2).result_code == 2001
    assert balance(processes) == "0.46 EUR"
