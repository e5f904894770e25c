"""An appliance with one of the example plugins installed as a drop-in file."""

from dataclasses import dataclass, field

from agent.model.deployment import Outcome
from support.appliances.deployed import Deployed
from support.paths import CHECKOUT
from support.ports import free_port
from support.toml import table

EXAMPLES = CHECKOUT / "examples" / "plugins"


@dataclass
class Example(Deployed):
    """One module of an example, on its real service. `name`: of the plugin."""

    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.install(EXAMPLES / self.name / f"{self.name}.py")

    def tables(self) -> str:
        return table(f"modules.{self.name}", self.module)

    def break_template(self, name: str, line: str) -> None:
        """Have an administrator override a template with a line that its service doesn't know."""
        self.override(f"{self.name}/{name}", f'{{% include "default:{name}" %}}\n{line}\n')

    def assert_outcome(self, outcome: Outcome, *words: str) -> None:
        """It came to that, and the problem that is told has these words."""
        deployment = self.deployment(self.name)
        assert deployment.outcome is outcome, deployment.problem
        told = str(deployment.problem.cause) if deployment.problem else ""
        assert [word for word in words if word not in told] == [], told
