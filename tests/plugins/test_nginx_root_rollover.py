"""The root is succeeded while real clients that know only the old root, or only the new one, connect without a pause."""

import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.model.root import RootPhase
from agent.operations.root import reissue_root
from agent.operations.root_steps import begin_signing, retire_root
from support.appliances.proxied import SITES, Proxied
from support.waiting import until

MORE = 8
"""Connections of each client that are waited for after each step."""
Command = Callable[[int, Path], list[str]]


def openssl(port: int, root: Path) -> list[str]:
    argv = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", SITES[0]]
    argv += ["-verify_hostname", SITES[0], "-verify_return_error", "-no-CApath", "-no-CAstore"]
    return [*argv, "-CAfile", str(root)]


def gnutls(port: int, root: Path) -> list[str]:
    argv = ["gnutls-cli", "127.0.0.1", "--port", str(port), "--sni-hostname", SITES[0], "--verify-hostname", SITES[0]]
    return [*argv, "--x509cafile", str(root)]


CLIENTS: tuple[Command, ...] = (openssl, gnutls)


class Clients:
    """Clients that connect again and again, each knowing one root alone."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self.tried = Counter[str]()
        self.failures: list[str] = []

    def begin(self, root: Path) -> None:
        """Have one of each kind connect that knows `root`."""
        for client in CLIENTS:
            name = f"{client.__name__} {root.stem}"
            thread = threading.Thread(target=self._connect, args=(name, client(self._port, root)))
            thread.start()
            self._threads.append(thread)

    def _connect(self, name: str, argv: list[str]) -> None:
        while not self._stop.is_set():
            done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
            self.tried[name] += 1
            if done.returncode:
                self.failures.append(f"{name}: {(done.stdout + done.stderr)[-2000:].decode(errors='replace')}")

    def connect_more(self) -> None:
        """Wait until each that has connected has done so some times more. Nobody has failed until then."""
        before = Counter(self.tried)
        until(
            lambda: all(self.tried[name] >= before[name] + MORE for name in before) or self.failures,
            seconds=120,
            what="more connections",
        )
        assert self.failures == []

    def end(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)


@contextmanager
def clients_of(box: Proxied) -> Iterator[Clients]:
    clients = Clients(box.port)
    try:
        yield clients
    finally:
        clients.end()


def certificate_of(box: Proxied, phase: RootPhase, stem: str) -> Path:
    path = box.root / f"{stem}.pem"
    with box.store() as store:
        path.write_text(next(each.certificates for each in store.roots.all() if each.phase is phase))
    return path


@pytest.mark.timeout(400)
def test_no_client_that_knows_either_root_fails_at_any_instant():
    with Proxied.make(sites=SITES[:1]) as box:
        box.configure()
        box.bring_up()
        with clients_of(box) as clients:
            clients.begin(certificate_of(box, RootPhase.SIGNING, "old"))
            until(lambda: clients.tried.total() >= len(CLIENTS), what="the first connections")
            box.change(reissue_root, at_once=False)
            box.apply()
            clients.begin(certificate_of(box, RootPhase.PREPARED, "new"))
            until(lambda: len(clients.tried) == 2 * len(CLIENTS), what="connections of both")
            clients.connect_more()
            for step in (begin_signing, retire_root):
                box.change(step, box.clock())
                box.apply()
                clients.connect_more()
        with box.store() as store:
            assert [each.phase for each in store.roots.all()] == [RootPhase.SIGNING, RootPhase.RETIRED]
            (binding,) = store.modules.bindings()
            signed_by = store.chains.record(binding.chain or "")
            assert signed_by is not None
            assert signed_by.root == store.roots.all()[0].sha256
        print(dict(clients.tried))
        assert clients.failures == []
        assert min(clients.tried.values()) >= 3 * MORE


def test_the_clients_do_fail_at_a_root_that_they_do_not_know():
    with Proxied.make(sites=SITES[:1]) as box:
        box.configure()
        box.bring_up()
        old = certificate_of(box, RootPhase.SIGNING, "old")
        box.change(reissue_root)
        box.apply()
        for client in CLIENTS:
            argv = client(box.port, old)
            done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
            assert done.returncode != 0
