"""The status as data: a pure function of what the store knows and of now."""

from agent.health.snapshot import Snapshot
from agent.health.states import ModuleState, Status
from agent.report.build import report, state_row
from agent.report.rows import ChainRow, EndpointRow, ModuleRow, NeedRow, Report, StateRow, UseRow
from agent.report.snapshot import read_snapshot

__all__ = [
    "ChainRow",
    "EndpointRow",
    "ModuleRow",
    "ModuleState",
    "NeedRow",
    "Report",
    "Snapshot",
    "StateRow",
    "Status",
    "UseRow",
    "read_snapshot",
    "report",
    "state_row",
]
