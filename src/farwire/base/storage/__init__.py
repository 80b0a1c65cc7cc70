"""PostgreSQL: the embedded server or an external one, transactions of one tenant, migrations, backup."""

from farwire.base.storage.database import Database, Isolation, Session, Tx, UntenantedTx
from farwire.base.storage.endpoints import migrate_database, open_database, open_relay
from farwire.base.storage.errors import SerializationFailure, StorageUnavailable, on_violation
from farwire.base.storage.lookups import plan_as_lookups

__all__ = [
    "Database",
    "Isolation",
    "SerializationFailure",
    "Session",
    "StorageUnavailable",
    "Tx",
    "UntenantedTx",
    "migrate_database",
    "on_violation",
    "open_database",
    "open_relay",
    "plan_as_lookups",
]
