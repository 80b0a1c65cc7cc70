"""The time of technicians, as appointments of TMF646 book it: they never overlap, and searches find what is free."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from farwire.base.canonical import instant_text, stored_time
from farwire.base.storage import Tx
from farwire.base.tmf import Act, Document, Target
from farwire.base.tmf.documents import documents
from farwire.base.tmf.query import Condition, Query
from farwire.base.tmf_tasks import Task
from farwire.kernel.errors import Conflict, Invalid
from farwire.workforce.model import Slot, free
from farwire.workforce.store import lock_calendar

APPOINTMENT: Final = Target("646", "Appointment")
TECHNICIAN: Final = "technician"
"""The role in which an appointment books a party's time."""
BOOKING: Final = ("initialized", "confirmed")
SEARCHED: Final = 100
"""Slots of one search."""
MOST: Final = 1000
"""Appointments of a technician that one search looks at."""


def _period(document: Mapping[str, Any], place: str) -> Slot:
    """Return the period of a slot or an appointment. Raises ``Invalid`` (``workforce.slot``)."""
    period = document.get("validFor")
    times = []
    for name in ("startDateTime", "endDateTime"):
        text = period.get(name) if isinstance(period, Mapping) else None
        found = instant_text(text) if isinstance(text, str) else None
        if found is None:
            where = f"{place}.validFor.{name}"
            raise Invalid("a slot has a start and an end", code="workforce.slot", field=where, value=text)
        times.append(datetime.fromisoformat(found))
    return Slot(*times)


def _technicians(appointment: Document) -> list[str]:
    """Return whose time an appointment takes."""
    found = set()
    for one in appointment.get("relatedParty") or []:
        party = one.get("partyOrPartyRole")
        key = party.get("id") if isinstance(party, Mapping) else None
        if str(one.get("role", "")).lower() == TECHNICIAN and isinstance(key, str):
            found.add(key)
    return sorted(found)


async def _booked(tx: Tx, technician: str, within: Slot) -> Sequence[Document]:
    """Return the appointments that take time of a technician within a period. Raises ``Invalid`` for too many."""
    conditions = (
        Condition(("relatedParty", "partyOrPartyRole", "id"), "eq", (technician,)),
        Condition(("status",), "eq", BOOKING),
        Condition(("validFor", "startDateTime"), "lt", (stored_time(within.end),)),
        Condition(("validFor", "endDateTime"), "gt", (stored_time(within.start),)),
    )
    found = await documents(tx, APPOINTMENT, Query(conditions=conditions, limit=MOST))
    if found.total > MOST:
        raise Invalid(
            "too many appointments", code="workforce.too_many", field="validFor", fix="ask for less"
        )
    return [one for one in found.items if technician in _technicians(one)]


async def check_appointment(tx: Tx, appointment: Document) -> None:
    """Raise ``Conflict`` (``workforce.slot_taken``) where a technician is elsewhere: of two at once, one gets it."""
    technicians = _technicians(appointment)
    if appointment.get("status") not in BOOKING or not technicians:
        return
    slot = _period(appointment, "$")
    for one in technicians:
        await lock_calendar(tx, one)
        if any(other["id"] != appointment["id"] for other in await _booked(tx, one, slot)):
            raise Conflict(
                "the technician has another appointment then",
                code="workforce.slot_taken",
                field="$.validFor",
                value=one,
                fix="search for a free slot: POST searchTimeSlot",
            )


async def search(tx: Tx, task: Document, _act: Act) -> Document:
    """List when the technician of the search is free within what is asked for."""
    wanted = task.get("requestedTimeSlot") or []
    if len(wanted) > SEARCHED:
        raise Invalid(
            f"a search has at most {SEARCHED} slots", code="workforce.slot", field="$.requestedTimeSlot"
        )
    slots = [_period(one, f"$.requestedTimeSlot[{n}]") for n, one in enumerate(wanted)]
    party = (task.get("relatedParty") or {}).get("partyOrPartyRole")
    named = party.get("id") if isinstance(party, Mapping) else None
    technician = named if isinstance(named, str) else ""
    found: list[Document] = []
    for slot in slots if technician else ():
        booked = [_period(one, "$") for one in await _booked(tx, technician, slot)]
        for one in free(slot, booked):
            period = {"startDateTime": stored_time(one.start), "endDateTime": stored_time(one.end)}
            number = str(len(found) + 1)
            found.append(
                {"id": number, "@type": "TimeSlot", "validFor": period, "relatedParty": task["relatedParty"]}
            )
    return {**task, "availableTimeSlot": found, "searchResult": "success" if found else "fail"}


SEARCH: Final = Task(Target("646", "SearchTimeSlot"), search, state="status")
