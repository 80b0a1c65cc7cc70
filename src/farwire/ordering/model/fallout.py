"""What becomes of a task in the fallout: decisions, and the tenant's rules that decide before a person must. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import msgspec

from farwire.kernel.errors import Conflict, Invalid
from farwire.ordering.model.decide import with_item
from farwire.ordering.model.order import ItemState, OrderItem, ProductOrder
from farwire.ordering.model.plan import Task, TaskKind, aborted, is_final, retried, rolled_back, skipped

MAX_RULES: Final = 200
MAX_RETRIES: Final = 1000
MAX_AFTER_S: Final = 30 * 86_400


class Decision(StrEnum):
    """What is decided about a task in the fallout."""

    RETRY = "retry"
    """Try it again, with all its attempts."""
    SKIP = "skip"
    """It is done by hand, or not needed: go on."""
    ROLLBACK = "rollback"
    """Undo what was done for the item."""
    ABORT = "abort"
    """Give the item up and leave what was done."""
    PERSON = "person"
    """Of a rule only: leave it to a person, whatever the rules after it say."""


class FalloutRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One row of the tenant's table: which tasks in the fallout, and what becomes of them. The first that fits counts.

    An empty field fits every task. ``error`` is a code, or the beginning of codes before a ``*``. ``attempts`` bounds
    the attempts of the task in all, those before earlier retries too: the rule fits as long as they are not more.
    """

    decision: Decision
    kind: TaskKind | None = None
    adapter: str = ""
    error: str = ""
    attempts: int | None = None
    after_seconds: int = 0
    """For retry: the pause before it."""


def check_rules(rules: Sequence[FalloutRule]) -> None:
    """Raise ``Invalid`` (``ordering.fallout_rule``) for a rule that never ends, or means nothing."""
    if len(rules) > MAX_RULES:
        raise _wrong(len(rules), f"{len(rules)} rules", f"at most {MAX_RULES}")
    for number, rule in enumerate(rules, 1):
        retries = rule.decision is Decision.RETRY
        if retries and rule.attempts is None:
            raise _wrong(number, "a rule that retries needs a bound", 'write "attempts = 20"')
        if rule.attempts is not None and not 1 <= rule.attempts <= MAX_RETRIES:
            raise _wrong(number, f"attempts is from 1 to {MAX_RETRIES}", "change it")
        if not 0 <= rule.after_seconds <= MAX_AFTER_S:
            raise _wrong(number, f"after_seconds is from 0 to {MAX_AFTER_S}", "change it")
        if rule.after_seconds and not retries:
            raise _wrong(number, "only a retry has a pause before it", "leave after_seconds out")
        if "*" in rule.error[:-1]:
            raise _wrong(number, "a * stands at the end of an error", 'write "inventory.*"')


def _wrong(number: int, message: str, fix: str) -> Invalid:
    return Invalid(
        f"rule {number}: {message}", code="ordering.fallout_rule", field="fallout", value=number, fix=fix
    )


def _fits(rule: FalloutRule, task: Task) -> bool:
    code = task.error_code
    return (
        rule.kind in (None, task.step.kind)
        and rule.adapter in ("", task.step.parameters.get("adapter"))
        and (rule.error in ("", code) or (rule.error.endswith("*") and code.startswith(rule.error[:-1])))
        # Each lease is an attempt, and the fence counts all of them.
        and (rule.attempts is None or task.fence <= rule.attempts)
    )


def rule_for(
    rules: Sequence[FalloutRule], tasks: Sequence[Task], number: int
) -> tuple[int, FalloutRule] | None:
    """Return the rule that decides about a task in the fallout, with its number; None where a person must.

    A rule that wants to undo what cannot be undone (any more) leaves it to a person.
    """
    task = next(one for one in tasks if one.number == number)
    for place, rule in enumerate(rules, 1):
        if _fits(rule, task):
            stuck = rule.decision is Decision.ROLLBACK and not _can_roll_back(tasks)
            return None if stuck or rule.decision is Decision.PERSON else (place, rule)
    return None


def _can_roll_back(tasks: Sequence[Task]) -> bool:
    return not is_final(tasks) and not any(task.compensating for task in tasks)


def decided(
    order: ProductOrder,
    item: OrderItem,
    tasks: Sequence[Task],
    number: int,
    decision: Decision,
    now: datetime,
    *,
    after: timedelta = timedelta(0),
) -> tuple[ProductOrder, Sequence[Task]]:
    """Return the order and the tasks of ``item`` after a decision about one of them; the item is not settled yet.

    Raises ``Conflict`` (``ordering.not_in_fallout``, ``ordering.past_return``).
    """
    retry = retried(tasks, number, now + after)  # refuses a task that is not in the fallout
    if decision is Decision.RETRY:
        return order, retry
    if decision is Decision.SKIP:
        return order, skipped(tasks, number, now)
    if decision is Decision.PERSON:
        return order, tasks
    failing = with_item(order, replace(item, ends_as=ItemState.FAILED))
    if decision is Decision.ABORT:
        return failing, aborted(tasks)
    if not _can_roll_back(tasks):
        raise Conflict(
            "the item cannot be rolled back: it is past its point of no return, or being rolled back",
            code="ordering.past_return",
            field="task",
            fix="retry, skip or abort",
        )
    return failing, rolled_back(tasks, now)
