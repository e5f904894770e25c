"""The status as data: a pure function of what the store knows and of now."""

from agent.health.snapshot import Snapshot
from agent.health.states import ModuleState, Status
from agent.report.build import report
from agent.report.rows import ChainRow, EndpointRow, ModuleRow, NeedRow, Report, UseRow
from agent.report.snapshot import read_snapshot

__all__ = [
    "ChainRow",
    "EndpointRow",
    "ModuleRow",
    "ModuleState",
    "NeedRow",
    "Report",
    "Snapshot",
    "Status",
    "UseRow",
    "read_snapshot",
    "report",
]
