"""What each kind of task does: one function per kind, for many tasks at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from farwire.ordering.model import TaskKind
from farwire.ordering.service.effects import network, products, resources
from farwire.ordering.service.effects.work import Effect, Result, Work

EFFECTS: Final[Mapping[TaskKind, Effect]] = {
    TaskKind.RESERVE: resources.reserve,
    TaskKind.FREE: resources.free,
    TaskKind.ASSIGN: resources.assign,
    TaskKind.QUARANTINE: resources.quarantine,
    TaskKind.CREATE_PRODUCT: products.create,
    TaskKind.DISCARD_PRODUCT: products.discard,
    TaskKind.CHANGE_PLAN: products.change_plan,
    TaskKind.OVERRIDE: products.override,
    TaskKind.CLOSE_OVERRIDE: products.close_override,
    TaskKind.SUSPEND: products.suspend,
    TaskKind.RESUME: products.resume,
    TaskKind.END_PRODUCT: products.end,
    TaskKind.PLACE: products.place,
    TaskKind.ACTIVATE: network.activate,
    TaskKind.ALTER: network.alter,
    TaskKind.BAR: network.bar,
    TaskKind.UNBAR: network.unbar,
    TaskKind.DEACTIVATE: network.deactivate,
}
"""Kind → effect."""

__all__ = ["EFFECTS", "Effect", "Result", "Work"]
