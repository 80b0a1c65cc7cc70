"""Third-party elements that end with the tests of a file."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from farwire.activation.adapters import netconf
from tests.gateway.processes import Processes


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """Programs that end with the file."""
    folder = tmp_path_factory.mktemp("elements")
    found = Processes(folder, {**os.environ, "HOME": str(folder)})
    yield found
    netconf.SESSIONS.close()
    found.end()
