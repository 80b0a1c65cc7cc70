"""Jobs: work that is done later, once at a time, until it is done (see README.md)."""

from farwire.base.jobs.model import Job, JobState, LeaseLost, Schedule
from farwire.base.jobs.service import cancel, complete, enqueue, enqueue_due, hold
from farwire.base.jobs.worker import Handler, Worker, WorkerSettings

__all__ = [
    "Handler",
    "Job",
    "JobState",
    "LeaseLost",
    "Schedule",
    "Worker",
    "WorkerSettings",
    "cancel",
    "complete",
    "enqueue",
    "enqueue_due",
    "hold",
]
