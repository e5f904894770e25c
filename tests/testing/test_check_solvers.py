"""The check of plugins that are DNS solvers."""

from pathlib import Path

import pytest

from agent.testing.check import check
from chainwright.testing import check_plugin
from support.checked_plugins import IMPORTS, told, written

SOLVER = """\
class Zone(DnsSolver):
    '''A zone in a file.'''

    name = "zone"
    file: str

    def present(self, name, value):
        with open(self.file, "a") as zone:
            zone.write(f"{name} {value}\\n")

    def clean_up(self, name, value):
        lines = Path(self.file).read_text().splitlines()
        Path(self.file).write_text("".join(f"{line}\\n" for line in lines if line != f"{name} {value}"))


@hookimpl
def register_dns_solvers():
    return [Zone]
"""


def test_a_solver_publishes_two_answers_and_takes_them_back(tmp_path: Path):
    report = check_plugin(written(tmp_path, IMPORTS + SOLVER, "zone"), {"file": str(tmp_path / "zone.txt")})
    assert report.checked[-3:] == (
        *("DNS solver zone: check_record", "DNS solver zone: present", "DNS solver zone: clean_up"),
    )
    assert (tmp_path / "zone.txt").read_text() == ""


def test_a_solver_that_fails_is_told_with_its_line(tmp_path: Path):
    report = check(written(tmp_path, IMPORTS + SOLVER, "zone"), {"file": "/nowhere/zone.txt"})
    missing = "FileNotFoundError: [Errno 2] No such file or directory: '/nowhere/zone.txt'"
    assert told(report) == [
        f'with open(self.file, "a") as zone: -> present failed: {missing}.',
        f"lines = Path(self.file).read_text().splitlines() -> clean_up failed: {missing}.",
    ]


@pytest.mark.parametrize(
    ("before", "wrong", "fault"),
    [
        (
            "        lines = ",
            'assert value in Path(self.file).read_text(), "gone"',
            "clean_up of the same records, a second time, failed: AssertionError: gone.",
        ),
        (
            "        lines = ",
            'assert "C" not in value, "never made"',
            "clean_up of a record that is not there failed: AssertionError: never made.",
        ),
        (
            "        with open",
            'assert not (Path(self.file).is_file() and value in Path(self.file).read_text()), "there"',
            "present of the same records, a second time, failed: AssertionError: there.",
        ),
    ],
    ids=["again", "never", "there"],
)
def test_a_solver_takes_calls_again_as_after_a_crash(tmp_path: Path, before: str, wrong: str, fault: str):
    source = IMPORTS + SOLVER.replace(before, f"        {wrong}\n{before}")
    report = check(written(tmp_path, source, "zone"), {"file": str(tmp_path / "zone.txt")})
    assert [each.partition(" -> ")[2] for each in told(report)] == [fault]
