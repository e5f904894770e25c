"""Each module on its real service, one appliance a test."""

from collections.abc import Iterator

import pytest
from faulty import Faulty
from subjects import SUBJECTS


@pytest.fixture(params=SUBJECTS, ids=lambda subject: subject.name)
def box(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Faulty]:
    """The module's service is up, and everything is served as it ought to be."""
    with Faulty.of(request.param) as faulty:
        monkeypatch.setenv("PATH", faulty.path)
        faulty.bring_up()
        yield faulty
