"""A runner that remembers what it ran, and answers in the place of programs that a test names."""

from __future__ import annotations

from dataclasses import dataclass

from agent.system.command import Action, CommandResult, Runner, SystemRunner


@dataclass(frozen=True)
class Answer:
    """What a program is taken to have done."""

    output: str = ""
    exit_code: int = 0
    missing: bool = False
    """It isn't installed."""

    def to(self, action: Action) -> CommandResult:
        """Return it as the result of an action."""
        code = None if self.missing else self.exit_code
        ok = self.exit_code == 0 and not self.missing
        return CommandResult(action, ok=ok, exit_code=code, output=self.output, seconds=0.0, missing=self.missing)


class CountingRunner:
    """Runs actions for real, unless an answer is known, and remembers them with their results."""

    def __init__(self, runner: Runner | None = None) -> None:
        self.ran: list[Action] = []
        self.results: list[CommandResult] = []
        self._runner = runner or SystemRunner()
        self._answers: list[tuple[str, Answer]] = []

    def answer(self, word: str, output: str = "", *, exit_code: int = 0, missing: bool = False) -> None:
        """Answer from now on in the place of every action with `word` in it; the answer that was given last counts."""
        self._answers.insert(0, (word, Answer(output, exit_code, missing)))

    def run(self, action: Action) -> CommandResult:
        """Run an action, or answer in its place."""
        self.ran.append(action)
        known = next((answer for word, answer in self._answers if word in str(action)), None)
        result = known.to(action) if known else self._runner.run(action)
        self.results.append(result)
        return result

    @property
    def acted(self) -> list[Action]:
        """What it ran beside looks at services as they run, which are part of each pass."""
        return [action for action in self.ran if ".observe" not in str(action)]

    def count(self, word: str) -> int:
        """Return how many actions with `word` in them were run."""
        return sum(word in str(action) for action in self.ran)
