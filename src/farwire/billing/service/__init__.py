"""Use cases of billing: run, decide, hold, credit, correct, read, explain, check."""

from farwire.billing.service.check import Reconciliation, reconcile
from farwire.billing.service.credit import (
    add_credit,
    approve_credit,
    decide_on_credit,
    get_credit,
    list_credits,
    reject_credit,
)
from farwire.billing.service.deciding import (
    approve_run,
    cancel_run,
    cancel_runs,
    reject_run,
    rerun_account,
    run_findings,
)
from farwire.billing.service.document import own_fonts, render_pdf
from farwire.billing.service.holding import (
    JournalLine,
    account_journal,
    hold_account,
    list_holds,
    preview_bill,
    release_account,
)
from farwire.billing.service.note import approve_note, get_note, list_notes, reject_note, request_note
from farwire.billing.service.policy import approval_of, set_approval
from farwire.billing.service.preview import first_cycle, preview_products
from farwire.billing.service.read import (
    ExplainedLine,
    bill_with_id,
    billed_cycles,
    bills_with_ids,
    explain_line,
    get_bill,
    list_bills,
    page_of_bills,
    page_of_lines,
)
from farwire.billing.service.report import (
    known_run,
    list_runs,
    run_failures,
    run_outcomes,
    run_report,
    run_reports,
)
from farwire.billing.service.run import advance_run, run_bills
from farwire.billing.service.starting import start_run, usual_issue_day

__all__ = [
    "ExplainedLine",
    "JournalLine",
    "Reconciliation",
    "account_journal",
    "add_credit",
    "advance_run",
    "approval_of",
    "approve_credit",
    "approve_note",
    "approve_run",
    "bill_with_id",
    "billed_cycles",
    "bills_with_ids",
    "cancel_run",
    "cancel_runs",
    "decide_on_credit",
    "explain_line",
    "first_cycle",
    "get_bill",
    "get_credit",
    "get_note",
    "hold_account",
    "known_run",
    "list_bills",
    "list_credits",
    "list_holds",
    "list_notes",
    "list_runs",
    "own_fonts",
    "page_of_bills",
    "page_of_lines",
    "preview_bill",
    "preview_products",
    "reconcile",
    "reject_credit",
    "reject_note",
    "reject_run",
    "release_account",
    "render_pdf",
    "request_note",
    "rerun_account",
    "run_bills",
    "run_failures",
    "run_findings",
    "run_outcomes",
    "run_report",
    "run_reports",
    "set_approval",
    "start_run",
    "usual_issue_day",
]
