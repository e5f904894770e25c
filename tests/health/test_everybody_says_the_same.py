"""One health: what goes wrong on a real nginx is said alike by the status, its exit code, its JSON and the API's list."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from agent.cli.exit_codes import DEGRADED, DONE, USAGE
from agent.operations.uploads import delete_upload, store_upload
from support.appliances.api import bought, pem_of
from support.appliances.deployed import served
from support.appliances.proxied import SITES, Proxied
from support.clients.terminal import Terminal
from support.processes.api import ApiProcess
from support.told import codes, told
from support.waiting import until

Told = set[tuple[str, str, str]]
"""Subject's kind, severity and code of each finding that somebody should act on."""


@dataclass
class Witnesses:
    """All that tell how things are: they have to agree."""

    box: Proxied
    terminal: Terminal
    api: ApiProcess

    def told(self) -> Told:
        """Return what all of them say; first a person has looked."""
        looked = self.terminal.run("apply")
        found = told(self.box, self.api.root)
        acting = [each for each in found if each["severity"] != "notice"]
        assert looked.returncode in ({DEGRADED, USAGE} if acting else {DONE}), looked.stderr
        return {(kind, severity, code) for kind, _, severity, code in codes(acting)}


@pytest.fixture(scope="module")
def witnesses() -> Iterator[Witnesses]:
    with Proxied.make() as box, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", box.path)
        box.configure()
        box.bring_up()
        with ApiProcess(box.layout) as api:
            yield Witnesses(box, Terminal(box.root), api)


# What goes wrong: each is a context, at whose end it is mended


@contextmanager
def killed(box: Proxied) -> Iterator[None]:
    box.kill()
    try:
        yield
    finally:
        box.start_service()


@contextmanager
def killed_as_settings_change(box: Proxied) -> Iterator[None]:
    """There is something to deploy, which changes no file, and so nothing of it is looked at."""
    with _settings(box, _with_unused_setting), killed(box):
        yield


def _with_unused_setting(good: str) -> str:
    return good.replace("[services.nginx]\n", '[services.nginx]\nconfiguration = "/etc/nginx/other.conf"\n')


@contextmanager
def port_taken(box: Proxied) -> Iterator[None]:
    """Somebody else's server presents a certificate of its own where nginx was."""
    box.kill()
    pair, stranger = box.root / "stranger.pem", box.root / "stranger.conf"
    pair.write_bytes(pem_of(bought("stranger.example.test")))
    stranger.write_text(f"listen {box.port}\nsite stranger.example.test {pair}\n")
    box.start("stranger", stranger)
    until(lambda: served(box.port), what="the stranger serves")
    try:
        yield
    finally:
        box.stop("stranger")
        box.start_service()


@contextmanager
def settings_broken(box: Proxied) -> Iterator[None]:
    with _settings(box, lambda good: f"nonsense = 1\n{good}"):
        yield


@contextmanager
def template_broken(box: Proxied) -> Iterator[None]:
    template = box.override("reverse_proxy/site.conf.j2", "wrong on purpose;\n")
    try:
        yield
    finally:
        template.unlink()


@contextmanager
def upload_ended(box: Proxied) -> Iterator[None]:
    """An upload ends while it is in service; the next rung takes over."""
    chain = bought(SITES[0], days=8 / 86400)
    box.change(store_upload, chain)
    box.apply()
    until(lambda: datetime.now(UTC) > chain.not_after, seconds=20, what="the upload has ended")
    try:
        yield
    finally:
        box.change(delete_upload, chain.id, confirmed=True)


@contextmanager
def module_deleted(box: Proxied) -> Iterator[None]:
    with _settings(box, lambda good: good.partition("[services.nginx]")[0]):
        yield


@contextmanager
def _settings(box: Proxied, change: Callable[[str], str]) -> Iterator[None]:
    good = box.layout.settings.read_text()
    box.layout.settings.write_text(change(good))
    try:
        yield
    finally:
        box.layout.settings.write_text(good)


Trouble = Callable[[Proxied], AbstractContextManager[None]]
TROUBLES: list[tuple[Trouble, Told]] = [
    (killed, {("chain", "error", "deploy.service_stopped")}),
    (killed_as_settings_change, {("chain", "error", "deploy.service_stopped")}),
    (port_taken, {("chain", "error", "deploy.other_certificate")}),
    (settings_broken, {("settings", "error", "settings.refused")}),
    (template_broken, {("module", "error", "deploy.check_refused")}),
    (upload_ended, {("upload", "warning", "status.upload_ended")}),
    (module_deleted, set()),
]


@pytest.mark.parametrize(("trouble", "expected"), TROUBLES, ids=[trouble.__name__ for trouble, _ in TROUBLES])
def test_trouble_is_told_alike_by_all_and_no_more_when_it_is_mended(
    witnesses: Witnesses, trouble: Trouble, expected: Told
) -> None:
    with trouble(witnesses.box):
        assert witnesses.told() == expected
    assert witnesses.told() == set()


def test_a_template_that_can_not_be_rendered_is_told_with_its_file_and_line(witnesses: Witnesses) -> None:
    template = witnesses.box.override("reverse_proxy/site.conf.j2", "# one\n{{ nothing }\n")
    witnesses.terminal.run("apply")
    try:
        assert (
            f"reverse_proxy: {template}, line 2: The template can't be rendered: "
            in witnesses.terminal.run("status").stdout
        )
    finally:
        template.unlink()
    assert witnesses.told() == set()


def test_an_explanation_begins_with_what_the_status_says(witnesses: Witnesses) -> None:
    with killed(witnesses.box):
        advice = "look at its log and start nginx, or set `start = true` in [services.nginx], then: chainwright apply"
        assert (
            f"Clients get no answer. See why it ended, and start it: {advice}\n"
            in witnesses.terminal.run("apply").stderr
        )
        first, *_ = witnesses.terminal.run("explain", "reverse_proxy").stdout.splitlines()
    assert re.fullmatch(r"reverse_proxy: broken, generation \d+ is in place, .*", first)
    witnesses.terminal.run("apply")
    first, *_ = witnesses.terminal.run("explain", "reverse_proxy").stdout.splitlines()
    assert re.fullmatch(r"reverse_proxy: live, generation \d+ is in service, .*", first)


def test_while_the_settings_are_refused_those_in_force_are_explained(witnesses: Witnesses) -> None:
    before = witnesses.terminal.run("explain", "reverse_proxy", SITES[0])
    with settings_broken(witnesses.box):
        done = witnesses.terminal.run("explain", "reverse_proxy", SITES[0])
        as_json = json.loads(witnesses.terminal.run("explain", "reverse_proxy", "--json").stdout)
    ladder = [line for line in before.stdout.splitlines() if line.startswith(("> ", "  1 ", "  2 ", "  because"))]
    assert ladder
    assert set(ladder) <= set(done.stdout.splitlines())
    assert "nonsense: unknown key" in done.stderr
    assert (before.returncode, done.returncode) == (DONE, DEGRADED)
    assert as_json["settings"]["code"] == "settings.refused"


def test_a_service_that_has_stopped_is_started_as_the_status_advises(witnesses: Witnesses) -> None:
    box = witnesses.box
    box.kill()
    witnesses.terminal.run("apply")
    with _settings(box, lambda good: good.replace("[services.nginx]\n", "[services.nginx]\nstart = true\n")):
        done = witnesses.terminal.run("apply")
        assert (done.returncode, done.stderr) == (DONE, "reverse_proxy: it is served again\n")
        assert witnesses.told() == set()
    assert witnesses.told() == set()
