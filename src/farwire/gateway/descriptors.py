"""Open files: each connection is one, and a process begins with fewer than it may have."""

from __future__ import annotations

import resource
from typing import Final

from farwire.kernel.errors import Unavailable

SPARE: Final = 200
"""Beside connections: the database, shards, who watches us, logs, a moment in which one more comes than may stay."""


def make_room(connections: int) -> None:
    """Let this process have that many connections at once.

    Raises ``Unavailable`` (``gateway.too_few_files``): the hard limit of open files allows fewer.
    """
    wanted = connections + SPARE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        if hard != resource.RLIM_INFINITY and hard < wanted:
            raise Unavailable(
                f"{connections} connections need {wanted} open files, and this process may have {hard}",
                code="gateway.too_few_files",
                field="connections",
                value=str(connections),
                fix=f"set connections = {max(hard - SPARE, 1)} in the file, or raise the limit (ulimit -Hn)",
            )
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
