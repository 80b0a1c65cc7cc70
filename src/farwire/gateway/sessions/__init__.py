"""Live sessions of all protocols, and what their network elements are to be told. Import its public names from here."""

from farwire.gateway.sessions.book import SessionBook
from farwire.gateway.sessions.following import Following
from farwire.gateway.sessions.model import LiveSession, Outcome, Protocol, Reason, Wish, may_be_kept
from farwire.gateway.sessions.service import (
    claim_wishes,
    end_session,
    find_session,
    keep_session,
    settle_wish,
    wish_for_account,
)

__all__ = [
    "Following",
    "LiveSession",
    "Outcome",
    "Protocol",
    "Reason",
    "SessionBook",
    "Wish",
    "claim_wishes",
    "end_session",
    "find_session",
    "keep_session",
    "may_be_kept",
    "settle_wish",
    "wish_for_account",
]
