"""Each module on its real service. An appliance serves one test after the other, as each leaves it as it has found it."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from faulty import Faulty
from subjects import SUBJECTS, Subject

FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


class Shared:
    """The appliance of one subject, from the first test that needs it."""

    def __init__(self, subject: type[Subject]) -> None:
        self._subject = subject
        self._stack = ExitStack()
        self._box: Faulty | None = None

    def box(self, monkeypatch: pytest.MonkeyPatch) -> Faulty:
        """Return it with its service up, and with everything served as it ought to be."""
        box = self._box or self._stack.enter_context(Faulty.of(self._subject))
        monkeypatch.setenv("PATH", box.path)
        if self._box is None:
            box.bring_up()
            self._box = box
        box.forget()
        return box

    def close(self) -> None:
        self._stack.close()
        self._box = None


@pytest.fixture(scope="module", params=SUBJECTS, ids=lambda subject: subject.name)
def shared(request: pytest.FixtureRequest) -> Iterator[Shared]:
    made = Shared(request.param)
    yield made
    made.close()


@pytest.fixture
def box(shared: Shared, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Faulty]:
    """The module's appliance, which no other test sees if this one fails."""
    yield shared.box(monkeypatch)
    if request.node.stash.get(FAILED, False):
        shared.close()
