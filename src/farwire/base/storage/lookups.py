"""Plans of batch jobs. They ask for thousands of rows by key at once, and must not depend on statistics to do it well.

Statistics lag behind tables that a job fills while it runs, and behind states that it moves. Measured: 5,000 keys
joined to a table of 70,000 rows by comparing each key with each row, 7.3 s instead of 0.06 s. So the statements say
the way:

- what is read by key is ``unnest(keys) CROSS JOIN LATERAL (SELECT … WHERE … = key OFFSET 0)``, which can only be done
  key by key, since OFFSET 0 keeps the planner from taking the query apart;
- what is updated by key joins the target on the ``ctid`` that such a query found, under ``plan_as_lookups``. Nobody
  else may update these rows meanwhile: the job holds its tenant's lock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from farwire.base.storage.database import Session

# Without these, nothing is left but to take the found rows one by one.
_LOOK_UPS: Final = "; ".join(
    f"SET LOCAL enable_{way} TO off" for way in ("seqscan", "bitmapscan", "hashjoin", "mergejoin", "material")
)


async def plan_as_lookups(session: Session) -> None:
    """Let the statements of this transaction find each row by an index, whatever the planner knows. One round trip."""
    await session.execute(_LOOK_UPS)
