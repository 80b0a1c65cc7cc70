"""Use cases of billing: run, read, explain, check."""

from farwire.billing.service.check import Reconciliation, reconcile
from farwire.billing.service.document import render_pdf
from farwire.billing.service.read import ExplainedLine, explain_line, get_bill, list_bills
from farwire.billing.service.run import (
    cancel_runs,
    list_runs,
    run_bills,
    run_failures,
)

__all__ = [
    "ExplainedLine",
    "Reconciliation",
    "cancel_runs",
    "explain_line",
    "get_bill",
    "list_bills",
    "list_runs",
    "reconcile",
    "render_pdf",
    "run_bills",
    "run_failures",
]
