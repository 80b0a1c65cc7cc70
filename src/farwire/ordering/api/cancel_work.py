"""What the tasks of TMF641 and TMF652 do that cancel an order: the order goes where its table of states lets it."""

from __future__ import annotations

from farwire.base.authz import Permission
from farwire.base.storage import Tx
from farwire.base.tmf import Act, Descriptor, Document, Resource, Target, stored_time
from farwire.base.tmf.documents import load
from farwire.base.tmf.states import check_transition
from farwire.base.tmf_tasks import FAILED, Task, not_before
from farwire.base.tmf_work import change_documents, served
from farwire.kernel.errors import FarwireError

CANCELLED = "cancelled"
ENDED = frozenset({"cancelled", "completed", "failed", "rejected", "partial"})
"""States of an item that a cancellation leaves alone."""


def cancelling(number: str, task: Descriptor, order: Descriptor, *, named: str, items: str) -> Resource:
    """Return the task that cancels an order, which it names in ``named`` and which has its lines in ``items``."""
    target = Target(number, order.type)
    told = {one.name for one in order.own} & {"cancellationDate", "cancellationReason"}

    async def check(tx: Tx, document: Document) -> None:
        """Refuse at once what is too late already, also where the cancellation is for later."""
        before = await load(tx, target, str(document[named].get("id")))
        if before is not None and before.get("state") != CANCELLED:
            check_transition(order, {**before, "state": CANCELLED}, before)

    async def work(tx: Tx, document: Document, act: Act) -> Document:
        now = stored_time(act.now)
        facts = {"cancellationDate": now, "cancellationReason": document.get("cancellationReason", "")}

        def cancelled(before: Document) -> Document:
            if before.get("state") == CANCELLED:
                return before
            more = {name: facts[name] for name in told if facts[name]}
            lines = [_line(one) for one in before.get(items) or []]
            return {**before, **more, "state": CANCELLED, **({items: lines} if lines else {})}

        api, resource = served(target)
        if await change_documents(tx, api, resource, [str(document[named].get("id"))], cancelled, act):
            return {**document, "effectiveCancellationDate": now}
        gone = {"code": "tmf.reference_unknown", "reason": "there is no such order"}
        return {**document, "state": FAILED, "errorMessage": gone}

    due = not_before("requestedCancellationDate")
    bound = Task(Target(number, task.type), work, due=due, reason=_reason)
    return Resource(task, "ordering", Permission.ORDER_READ, Permission.ORDER_WRITE, check=check, work=bound)


def _line(item: Document) -> Document:
    return item if item.get("state") in ENDED else {**item, "state": CANCELLED}


def _reason(error: FarwireError) -> Document:
    message = {"code": error.code, "reason": error.message}
    return {"errorMessage": message | ({"message": error.fix} if error.fix else {})}
