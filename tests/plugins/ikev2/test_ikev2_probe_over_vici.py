"""The probe that asks charon itself, where charon has nothing to say."""

import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chainwright import Endpoint, Expected, ProbeFailed
from plugins.ikev2.vici_probe import ViciProbe

LEAF = "ab" * 32


@pytest.fixture
def place() -> Iterator[Path]:
    """A socket's path, short as it has to be."""
    with tempfile.TemporaryDirectory(prefix="cw-") as directory:
        yield Path(directory) / "charon.vici"


def failure(path: Path, seconds: float = 20.0) -> ProbeFailed:
    with pytest.raises(ProbeFailed) as caught:
        ViciProbe().look(Endpoint(path=path), time.monotonic() + seconds, Expected(fingerprints=(LEAF,), generation=1))
    return caught.value


def test_where_there_is_no_charon_nobody_listens(place):
    found = failure(place)
    assert found.dead
    assert "nobody listens there (No such file or directory)" in found.problem.cause


def test_a_charon_that_hangs_is_given_up_when_the_time_is_up(place):
    with socket.socket(socket.AF_UNIX) as hanging:
        hanging.bind(str(place))
        hanging.listen()
        found = failure(place, 0.3)
    assert not found.dead
    assert "gives no proper answer: no answer within 0.3 s." in found.problem.cause
