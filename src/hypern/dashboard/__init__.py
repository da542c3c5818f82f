"""The page on which tasks are watched and put right. Nothing else of Hypern knows it."""

from hypern.dashboard.audit import AuditEvent
from hypern.dashboard.dashboard import Dashboard
from hypern.dashboard.viewers import Viewer

__all__ = ["AuditEvent", "Dashboard", "Viewer"]
