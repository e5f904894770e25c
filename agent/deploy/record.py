"""Record of a transaction, stored before each step so that another process can finish or undo it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from agent.deploy.differences import Difference
from agent.deploy.renames import Rename
from agent.errors import Problem
from agent.model.deployment import RefusedKind
from agent.model.footprint import read_action, written_action
from agent.system.command import Action


@dataclass(frozen=True)
class Move:
    """A change from one generation to another; None: there is none."""

    old: int | None
    new: int | None


@dataclass(frozen=True)
class TransactionRecord:
    """Everything that the second half of a transaction needs."""

    id: str
    job: str
    modules: Mapping[str, Move]
    """Every module of the group; those without a difference stay where they are."""
    entries: Mapping[str, Move]
    inputs: Mapping[str, str]
    """Module -> digest of what the attempt was made from."""
    renames: tuple[Rename, ...]
    differences: tuple[Difference, ...]
    """Differences that are taken into service."""
    absent: Mapping[str, str]
    """Unit -> why it can't be tested or reloaded."""
    retired: Mapping[str, int | None] = field(default_factory=dict)
    """Module that is taken out -> its generation in service; None: its files are gone, its services may not have let go."""
    services: tuple[str, ...] = ()
    """Shared services that are reloaded though none of `modules` names them: those that modules are taken out of."""
    former: tuple[Action, ...] = ()
    """What makes daemons let go that nothing in this transaction reloads, run after the renames in either direction."""
    left: Problem | None = None
    """Why something of the agent's has to be left in a service that no module uses any more."""
    was_dead: tuple[str, ...] | None = None
    """``module key`` of endpoints at which nobody listened before the switch: they prove nothing. None: not probed yet."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "modules": {name: [move.old, move.new] for name, move in self.modules.items()},
            "entries": {name: [move.old, move.new] for name, move in self.entries.items()},
            "inputs": dict(self.inputs),
            "renames": [rename.to_json() for rename in self.renames],
            "differences": [[each.module, each.slot, str(each.kind), each.subject] for each in self.differences],
            "absent": dict(self.absent),
            "retired": dict(self.retired),
            "services": list(self.services),
            "former": [written_action(each) for each in self.former],
            "left": self.left.to_json() if self.left else None,
            "was_dead": None if self.was_dead is None else list(self.was_dead),
        }

    @classmethod
    def from_json(cls, transaction_id: str, job: str, row: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        return cls(
            id=transaction_id,
            job=job,
            modules={name: Move(*move) for name, move in row["modules"].items()},
            entries={name: Move(*move) for name, move in row["entries"].items()},
            inputs=row["inputs"],
            renames=tuple(Rename.from_json(each) for each in row["renames"]),
            differences=tuple(
                Difference(each[0], each[1], RefusedKind(each[2]), each[3]) for each in row["differences"]
            ),
            absent=row["absent"],
            retired=row.get("retired", {}),
            services=tuple(row.get("services", ())),
            former=tuple(action for each in row.get("former", ()) if (action := read_action(each))),
            left=Problem.from_json(row["left"]) if row.get("left") else None,
            was_dead=None if row["was_dead"] is None else tuple(row["was_dead"]),
        )

    @property
    def moved(self) -> list[str]:
        """Modules that get another generation."""
        return sorted(name for name, move in self.modules.items() if move.old != move.new)

    @property
    def concerned(self) -> list[str]:
        """Modules that it is about: those that move or are taken out, else those that are looked at again."""
        return sorted([*self.moved, *self.retired]) or sorted(self.modules)
