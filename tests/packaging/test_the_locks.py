import itertools
import re
import tomllib
from collections.abc import Iterator

import pytest
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from support.paths import CHECKOUT

LOCKS = [
    "requirements.lock",
    "requirements-test.lock",
    "packaging/acme2certifier.lock",
    "packaging/sstp-server.lock",
    "packaging/sstp-server-build.lock",
]
PINNED = re.compile(r"([a-z0-9.-]+)==([^ ;]+)( ; [^\\]+)? \\")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")


def lines(lock: str) -> list[str]:
    return (CHECKOUT / lock).read_text().splitlines()


def pins(lock: str) -> dict[NormalizedName, str]:
    matches = filter(None, map(PINNED.fullmatch, lines(lock)))
    return {canonicalize_name(match[1]): match[2] for match in matches}


def declared(*groups: str) -> Iterator[Requirement]:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
    yield from map(Requirement, project["project"]["dependencies"])
    for group in groups:
        yield from map(Requirement, project["dependency-groups"][group])


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_has_pins_hashes_and_comments_and_nothing_else(lock: str) -> None:
    strange = [
        line
        for line in lines(lock)
        if not (PINNED.fullmatch(line) or HASH.fullmatch(line) or line.lstrip().startswith("#"))
    ]
    assert strange == []


@pytest.mark.parametrize("lock", LOCKS)
def test_each_pin_has_a_hash(lock: str) -> None:
    found = lines(lock)
    bare = [line for line, after in itertools.pairwise(found) if "==" in line and not HASH.fullmatch(after)]
    assert bare == []


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_address_and_no_place_on_a_machine(lock: str) -> None:
    assert [line for line in lines(lock) if "://" in line or re.search(r"(^|[ =])[~/]", line)] == []


@pytest.mark.parametrize(
    ("lock", "groups"), [("requirements.lock", ["build"]), ("requirements-test.lock", ["build", "docs", "test"])]
)
def test_a_lock_satisfies_what_the_project_declares(lock: str, groups: list[str]) -> None:
    locked = pins(lock)
    unsatisfied = [
        str(requirement)
        for requirement in declared(*groups)
        if not requirement.specifier.contains(locked.get(canonicalize_name(requirement.name), "0"))
    ]
    assert unsatisfied == []


def test_the_tests_run_with_the_very_versions_that_users_get() -> None:
    assert pins("requirements.lock").items() <= pins("requirements-test.lock").items()


def test_the_project_declares_lower_bounds_and_an_upper_one_only_where_the_inside_is_used() -> None:
    bounds = {each.name: {bound.operator for bound in each.specifier} for each in declared("build", "test")}
    assert {name: operators for name, operators in bounds.items() if operators != {">="}} == {
        "acme": {">=", "<"},
        "jinja2": {">=", "<"},
        "pyopenssl": {">=", "<"},
        "uvicorn": {">=", "<"},
    }
