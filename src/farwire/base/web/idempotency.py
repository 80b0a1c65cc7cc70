"""Idempotency keys: the answer of a POST is stored in the transaction that did the work; a repeat gets that answer.

The key belongs to the tenant. A repeat within 24 hours gets the stored answer with ``Idempotency-Replayed: true``;
the same key with another request is refused (422); a repeat while the first still runs is refused (409). Failures
are not stored. An answer that names a person who was erased since is gone: its repeat is refused (409) and does
nothing a second time.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import msgspec

from farwire.base.storage import Tx
from farwire.kernel.errors import Conflict, Invalid

WINDOW: Final = timedelta(hours=24)
"""How long a key is remembered."""
PURGED: Final = 20
"""Old answers that go when a new one comes."""
HEADER: Final = "Idempotency-Key"
KEY_PATTERN: Final = '"?([!#-~]{1,128})"?'
"""Visible ASCII; the IETF draft writes it as a quoted string."""
_KEY: Final = re.compile(KEY_PATTERN)


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """The answer that an earlier request with the same key got."""

    status: int
    headers: dict[str, str]
    body: bytes


def checked_key(text: str | None) -> str | None:
    """Return the header's key, or None without one. Raises ``Invalid`` (``web.idempotency_key_malformed``)."""
    if text is None:
        return None
    found = _KEY.fullmatch(text.strip())
    if found is None:
        raise Invalid(
            "the idempotency key is malformed",
            code="web.idempotency_key_malformed",
            field=HEADER,
            fix="use 1 to 128 visible ASCII characters, for instance a UUID",
        )
    return found[1]


def request_digest(method: str, path: str, query: str, body: bytes) -> bytes:
    """Return the hash that tells one request from another under the same key."""
    digest = hashlib.sha256()
    for part in (method.encode(), path.encode(), query.encode(), body):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()


async def earlier_answer(tx: Tx, *, key: str, digest: bytes, now: datetime) -> StoredAnswer | None:
    """Return the stored answer of ``key``, or None for the first use, which locks the key until the transaction ends.

    Raises ``Conflict``: ``web.idempotency_in_progress`` (409), ``web.idempotency_key_reused`` (422).
    """
    lock = int.from_bytes(
        hashlib.blake2b(tx.tenant_id.bytes + key.encode(), digest_size=8).digest(), "big", signed=True
    )
    if not await tx.fetchval("SELECT pg_try_advisory_xact_lock($1)", lock):
        raise _in_progress()
    row = await tx.fetchrow(
        "SELECT request_digest, status, headers, body FROM base.idempotency"
        " WHERE tenant_id = $1 AND idempotency_key = $2 AND created_at > $3",
        tx.tenant_id,
        key,
        now - WINDOW,
    )
    if row is None:
        return None
    if row["request_digest"] != digest:
        raise Conflict(
            "the idempotency key was used for another request",
            code="web.idempotency_key_reused",
            field=HEADER,
            value=key,
            fix="use a new key for a new request",
        )
    if not row["headers"]:
        raise Conflict(
            "the answer named somebody who was erased since; the request was carried out then",
            code="web.idempotency_answer_erased",
            field=HEADER,
            fix="do not send it again; use a new key for a new request",
        )
    headers = msgspec.json.decode(row["headers"], type=dict[str, str])
    return StoredAnswer(status=row["status"], headers=headers, body=row["body"])


async def store_answer(tx: Tx, *, key: str, digest: bytes, now: datetime, answer: StoredAnswer) -> None:
    """Store ``answer`` under ``key`` in the transaction that did the work. An entry past its window is replaced."""
    stored = await tx.fetchval(
        "INSERT INTO base.idempotency"
        " (tenant_id, idempotency_key, request_digest, status, headers, body, created_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7)"
        " ON CONFLICT (tenant_id, idempotency_key) DO UPDATE SET request_digest = EXCLUDED.request_digest,"
        " status = EXCLUDED.status, headers = EXCLUDED.headers, body = EXCLUDED.body, created_at = EXCLUDED.created_at"
        " WHERE idempotency.created_at <= $8 RETURNING true",
        tx.tenant_id,
        key,
        digest,
        answer.status,
        msgspec.json.encode(answer.headers).decode(),
        answer.body,
        now,
        now - WINDOW,
    )
    if not stored:  # another request with this key committed between our look and our write
        raise _in_progress()
    await purge_answers(tx, now=now)


async def forget_answers(tx: Tx, *, naming: Sequence[str]) -> int:
    """Blank the tenant's stored answers that hold one of the texts (ids, numbers of a person); return how many.

    The key stays taken for its window, so that a repeat does not bring the person back. Reads all answers of a day.
    """
    rows = await tx.fetch(
        "UPDATE base.idempotency SET headers = '', body = '' WHERE tenant_id = $1 AND EXISTS ("
        "SELECT FROM unnest($2::text[]) AS named (text) WHERE position(named.text IN headers) > 0 "
        "OR position(convert_to(named.text, 'UTF8') IN body) > 0) RETURNING true",
        tx.tenant_id,
        [text for text in naming if text],
    )
    return len(rows)


async def purge_answers(tx: Tx, *, now: datetime) -> int:
    """Delete some of the tenant's answers that are past their window, and return how many.

    Each new answer removes up to ``PURGED`` old ones, so that the table stays as large as a day's requests.
    """
    return len(
        await tx.fetch(
            "DELETE FROM base.idempotency WHERE tenant_id = $1 AND idempotency_key IN"
            " (SELECT idempotency_key FROM base.idempotency WHERE tenant_id = $1 AND created_at <= $2"
            " ORDER BY created_at LIMIT $3 FOR UPDATE SKIP LOCKED) RETURNING true",
            tx.tenant_id,
            now - WINDOW,
            PURGED,
        )
    )


def _in_progress() -> Conflict:
    return Conflict(
        "a request with this idempotency key is still running",
        code="web.idempotency_in_progress",
        field=HEADER,
        fix="send the same request again a moment later",
    )
