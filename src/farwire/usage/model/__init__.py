"""Rows, fragments, usages, profiles and control totals. Pure: no I/O, no clock."""

from farwire.usage.model.assembly import (
    Assembly,
    AssemblyRule,
    assemble,
    assembly_rule,
    single_usage,
    usage_id,
)
from farwire.usage.model.crossing import THRESHOLDS, Crossing, crossings
from farwire.usage.model.facts import (
    OUTCOME_OF_STATE,
    Bad,
    Filtered,
    Fragment,
    ImportRecord,
    RatedTotal,
    Role,
    RowOutcome,
    SuspendedRow,
    SuspendedUsage,
    Usage,
    UsageOutcome,
    UsageRecord,
    UsageState,
)
from farwire.usage.model.mapping import Mapper, mapper, raw_identity
from farwire.usage.model.profile import Format, Measure, Overlap, Profile, parse_profile, used_columns
from farwire.usage.model.totals import Deltas, Totals, totals_of

__all__ = [
    "OUTCOME_OF_STATE",
    "THRESHOLDS",
    "Assembly",
    "AssemblyRule",
    "Bad",
    "Crossing",
    "Deltas",
    "Filtered",
    "Format",
    "Fragment",
    "ImportRecord",
    "Mapper",
    "Measure",
    "Overlap",
    "Profile",
    "RatedTotal",
    "Role",
    "RowOutcome",
    "SuspendedRow",
    "SuspendedUsage",
    "Totals",
    "Usage",
    "UsageOutcome",
    "UsageRecord",
    "UsageState",
    "assemble",
    "assembly_rule",
    "crossings",
    "mapper",
    "parse_profile",
    "raw_identity",
    "single_usage",
    "totals_of",
    "usage_id",
    "used_columns",
]
