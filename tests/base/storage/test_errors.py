"""What the driver raises when the disk is full, in Farwire's words."""

import asyncpg

from farwire.base.storage.errors import CommitUnknown, DiskFull, commit_unknown, translate


def ended_by_a_full_disk() -> Exception:
    """Return what the driver raises when the server ends because its write-ahead log has no room."""
    error = asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")
    error.__cause__ = asyncpg.DiskFullError('could not write to file "pg_wal/xlogtemp.1"')
    return error


def test_a_statement_that_a_full_disk_ended_says_so() -> None:
    found = translate(ended_by_a_full_disk())
    assert isinstance(found, DiskFull)
    assert "nothing was half-written" in str(found.fix)


def test_a_commit_that_a_full_disk_ended_may_be_kept_or_not_and_says_so() -> None:
    found = commit_unknown(ended_by_a_full_disk())
    assert isinstance(found, CommitUnknown)
    assert "disk" in str(found)
    assert "free space" in str(found.fix)


def test_a_commit_whose_connection_broke_speaks_of_no_disk() -> None:
    found = commit_unknown(asyncpg.ConnectionDoesNotExistError("gone"))
    assert isinstance(found, CommitUnknown)
    assert "disk" not in f"{found} {found.fix}"
