"""Use cases of mediation: import, suspense, recycle, rate, totals, and what billing takes."""

from farwire.usage.service.billed import (
    mark_billed,
    pending_totals,
    rated_records,
    suspended_counts,
    unmark_billed,
    unmark_bills,
    usage_record,
    usage_records,
)
from farwire.usage.service.charged import (
    charged_records,
    charged_starts,
    charged_totals_of,
    charged_usage_id,
    has_charged_end,
    record_charged,
)
from farwire.usage.service.importing import ImportReport, import_usage
from farwire.usage.service.owed import charge_online, online_since, owed_on_bill, owed_totals, record_owed
from farwire.usage.service.parts import ReportedPart, record_parts
from farwire.usage.service.privacy import RETENTION_DAYS, erase_subscriber_rows, expire_suspended_rows
from farwire.usage.service.profiles import built_in_profiles, load_profile, profile_text
from farwire.usage.service.rating_run import RateReport, queued_usages, rate_usage
from farwire.usage.service.recycling import (
    RecycleReport,
    close_stale_sessions,
    identifiers_of_usages,
    recycle,
    suspended_rows,
    suspended_usages,
)
from farwire.usage.service.totals import Verification, imports, totals, verify_totals

__all__ = [
    "RETENTION_DAYS",
    "ImportReport",
    "RateReport",
    "RecycleReport",
    "ReportedPart",
    "Verification",
    "built_in_profiles",
    "charge_online",
    "charged_records",
    "charged_starts",
    "charged_totals_of",
    "charged_usage_id",
    "close_stale_sessions",
    "erase_subscriber_rows",
    "expire_suspended_rows",
    "has_charged_end",
    "identifiers_of_usages",
    "import_usage",
    "imports",
    "load_profile",
    "mark_billed",
    "online_since",
    "owed_on_bill",
    "owed_totals",
    "pending_totals",
    "profile_text",
    "queued_usages",
    "rate_usage",
    "rated_records",
    "record_charged",
    "record_owed",
    "record_parts",
    "recycle",
    "suspended_counts",
    "suspended_rows",
    "suspended_usages",
    "totals",
    "unmark_billed",
    "unmark_bills",
    "usage_record",
    "usage_records",
    "verify_totals",
]
