"""Real CAs for the tests of the ACME source, a stub of one, and a context for it (tests/support/cas and fakes)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Generic, TypeVar

import pytest

from support.cas.acme2certifier import Acme2Certifier, CertifierOptions
from support.cas.caddy import Caddy, CaddyOptions
from support.cas.challtestsrv import NEW, OLD
from support.cas.misbehaving import Misbehaving
from support.cas.pebble import Options, Pebble
from support.cas.program import tail
from support.cas.stub_ca import StubCa
from support.fakes.orderer import Orderer
from support.fakes.source_context import FakeSourceContext

C = TypeVar("C", Pebble, Acme2Certifier, Caddy)


class Maker(Generic[C]):
    """Makes CAs, each in a directory of its own."""

    def __init__(self, directory: Path, make: Callable[[Path, dict[str, Any]], C]) -> None:
        self._directory = directory
        self._make = make
        self.cas: list[C] = []

    def __call__(self, **options: Any) -> C:
        """Start one with these options."""
        directory = self._directory / f"ca-{len(self.cas) + 1}"
        directory.mkdir()
        self.cas.append(self._make(directory, options))
        return self.cas[-1]

    def close(self) -> None:
        for ca in self.cas:
            ca.close()


def make_pebble(directory: Path, options: dict[str, Any]) -> Pebble:
    return Pebble(directory, Options(**options))


def make_certifier(directory: Path, options: dict[str, Any]) -> Acme2Certifier:
    return Acme2Certifier(directory, CertifierOptions(**options))


def make_caddy(directory: Path, options: dict[str, Any]) -> Caddy:
    return Caddy(directory, CaddyOptions(**options))


@pytest.fixture(scope="session")
def shared_pebbles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path], Pebble]]:
    """A Pebble of each version, started when it's asked for."""
    maker = Maker(tmp_path_factory.mktemp("pebbles"), make_pebble)
    found: dict[Path, Pebble] = {}

    def get(programs: Path) -> Pebble:
        if programs not in found:
            found[programs] = maker(programs=programs)
        found[programs].mark()
        return found[programs]

    yield get
    maker.close()


@pytest.fixture
def pebble(shared_pebbles: Callable[[Path], Pebble]) -> Pebble:
    """Pebble 2.10 that behaves well, shared: leave it as it is."""
    return shared_pebbles(NEW)


@pytest.fixture
def old_pebble(shared_pebbles: Callable[[Path], Pebble]) -> Pebble:
    """Pebble 2.4 that behaves well, shared: leave it as it is."""
    return shared_pebbles(OLD)


@pytest.fixture
def pebble_with(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Maker[Pebble]]:
    """`pebble_with(nonce_reject=30)`: a Pebble of the test's own, with fields of `pebble.Options`."""
    maker = Maker(tmp_path_factory.mktemp("pebble"), make_pebble)
    yield maker
    maker.close()


@pytest.fixture
def acme2certifier_with(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Maker[Acme2Certifier]]:
    """`acme2certifier_with(days=5)`: one of the test's own, with fields of `ca2certifier.CertifierOptions`."""
    maker = Maker(tmp_path_factory.mktemp("acme2certifier"), make_certifier)
    yield maker
    maker.close()


@pytest.fixture
def caddy_with(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Maker[Caddy]]:
    """Start a Caddy of the test's own."""
    maker = Maker(tmp_path_factory.mktemp("caddies"), make_caddy)
    yield maker
    maker.close()


@pytest.fixture
def acme2certifier(acme2certifier_with: Maker[Acme2Certifier]) -> Acme2Certifier:
    """An acme2certifier of the test's own."""
    return acme2certifier_with()


@pytest.fixture(scope="session")
def believing_pebble(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pebble]:
    """A Pebble 2.10 that validates nothing, shared: leave it as it is."""
    maker = Maker(tmp_path_factory.mktemp("believing-pebble"), make_pebble)
    yield maker(always_valid=True)
    maker.close()


@pytest.fixture
def misbehaving(believing_pebble: Pebble) -> Iterator[Misbehaving]:
    """A Pebble that validates nothing behind a proxy of the test's own, which changes what it says."""
    ca = Misbehaving(believing_pebble)
    yield ca
    ca.close()


@pytest.fixture
def stub() -> Iterator[StubCa]:
    """A CA that does what a test says."""
    ca = StubCa()
    yield ca
    ca.close()


@pytest.fixture
def context(tmp_path: Path) -> Iterator[FakeSourceContext]:
    """A context of a source, in memory."""
    made = FakeSourceContext(tmp_path)
    yield made
    made.close()


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Callable[..., Orderer]]:
    """`at(ca, **settings)`: an appliance that orders there, with settings of the ACME source."""
    opened: list[Orderer] = []

    def open_(ca: Any, **settings: Any) -> Orderer:
        opened.append(Orderer(ca, tmp_path, **settings))
        return opened[-1]

    yield open_
    for each in opened:
        each.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Show the end of the CA's log when a test has failed."""
    report = yield
    if report.when == "call" and report.failed:
        values = getattr(item, "funcargs", {}).values()
        cas = {
            ca for value in values for ca in getattr(value, "cas", [value]) if isinstance(ca, Pebble | Acme2Certifier)
        }
        report.sections += [(f"end of {ca.log}", tail(ca.log)) for ca in cas]
    return report
