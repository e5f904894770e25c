"""Damage to the paths of one module of three: the other two are deployed, recovered and looked at, and it is told what to do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from textwrap import dedent

import pytest

from agent.model.deployment import Outcome, Step
from agent.model.finding import Finding
from agent.report import read_snapshot, report
from support import obstacles
from support.appliances.deployed import Deployed, served
from support.ports import free_port

MODULES = ("a", "b", "c")
OTHERS = ("a", "c")
PLUGIN = '''
    from chainwright import ChainFile, Endpoint, Module, Name, Part, Signal, Template, hookimpl

    class Box(Module):
        """A daemon of its own for each instance."""

        name = "box"
        port: int
        domain: Name
        check = ("toyd", "--check", "{dir}/toyd.conf")

        def declare_needs(self, host):
            return [self.need(self.domain)]

        def receive_chains(self, chains):
            for slot in chains:
                yield ChainFile(path="tunnel.pem", slot=slot, parts=(Part.KEY, Part.FULLCHAIN))
                place = f"/srv/{self.domain[0]}/key.pem"
                yield ChainFile(path="published.pem", slot=slot, parts=(Part.KEY,), publish=place, how="copy")

        def render_files(self, context):
            yield Template(path="toyd.conf")

        def reload_command(self, context):
            return Signal(context.places.run / f"{context.module}.pid")

        def probes(self, context):
            return [Endpoint(port=self.port, server_name=self.domain)]

    @hookimpl
    def register_modules():
        return [Box]
'''


class Boxes(Deployed):
    """Three modules, each with a daemon of its own, and a file at a fixed path."""

    def begin(self) -> None:
        self.ports = {name: free_port() for name in MODULES}
        (self.layout.plugins / "box.py").write_text(dedent(PLUGIN))
        templates = self.layout.plugins / "templates"
        templates.mkdir()
        (templates / "toyd.conf.j2").write_text(
            "listen {{ module.port }}\nsite {{ module.domain }} {{ dir }}/tunnel.pem\n"
        )
        self.write()
        self.apply()
        assert self.outcomes() == dict.fromkeys(MODULES, Outcome.WAITING), self.told("a")
        for name in MODULES:
            self.start(name, self.layout.module(name).live / "toyd.conf")
        self.apply()
        assert self.outcomes() == dict.fromkeys(MODULES, Outcome.LIVE)

    def write(self, more: str = "") -> None:
        text = 'hostname = "gw"\nplugins.box.enabled = true\n[probe]\ntimeout = 3\n'
        for name in MODULES:
            text += f'[modules.{name}]\nplugin = "box"\nport = {self.ports[name]}\ndomain = "{name}.example.test"\n'
            text += more if name == "b" else ""
        self.settings(text)

    def outcomes(self) -> dict[str, Outcome]:
        with self.store() as store:
            return {name: each.outcome for name, each in store.deployments.all().items()}

    def bound(self, *modules: str) -> dict[str, str]:
        with self.store() as store:
            return {each.module: each.chain for each in store.modules.bindings() if each.module in modules}

    def wire(self, *modules: str) -> dict[str, str]:
        return {name: served(self.ports[name], f"{name}.example.test") for name in modules}

    def findings(self, module: str) -> list[Finding]:
        now = datetime.now(UTC) + self.clock.offset
        found = report(read_snapshot(self.layout, now), now).findings
        about = (module, f"{module}/default", self.bound(module).get(module))
        return [each for each in found if each.severity.degrades and (each.subject in about or module in each.subject)]

    def told(self, module: str) -> str:
        return "\n".join("\n".join(each.problem.lines()) for each in self.findings(module))


@pytest.fixture
def boxes(tmp_path, monkeypatch) -> Iterator[Boxes]:
    made = Boxes(tmp_path / "box")
    monkeypatch.setenv("PATH", made.path)
    made.begin()
    yield made
    made.close()


def damaged(boxes: Boxes, damage: obstacles.Damage, request: pytest.FixtureRequest) -> obstacles.Cure:
    cures = [damage(boxes, "b")]

    def cure() -> None:
        while cures:
            cures.pop()()

    request.addfinalizer(cure)
    return cure


def assert_heals(boxes: Boxes) -> None:
    for _ in range(2):  # the first puts back what was there, and that may be what is to be replaced
        boxes.clock.advance(minutes=11)
        boxes.apply()
    assert boxes.outcomes() == dict.fromkeys(MODULES, Outcome.LIVE), boxes.told("b")
    assert boxes.wire(*MODULES) == boxes.bound(*MODULES)
    assert boxes.findings("b") == [], boxes.told("b")
    with boxes.store() as store:
        assert store.deployments.transactions() == []


@pytest.mark.sampled(4)
@pytest.mark.root
@pytest.mark.parametrize(("damage", "words"), obstacles.EVERY.items(), ids=[each.__name__ for each in obstacles.EVERY])
def test_the_others_are_renewed_and_it_heals_when_the_cause_is_gone(boxes, damage, words, request):
    before = boxes.bound(*MODULES)
    cure = damaged(boxes, damage, request)
    boxes.renew()
    boxes.apply()
    after = boxes.bound(*MODULES)
    assert set(before.values()).isdisjoint(after.values())
    assert boxes.wire(*OTHERS) == {name: after[name] for name in OTHERS}
    assert {name: boxes.outcomes()[name] for name in OTHERS} == dict.fromkeys(OTHERS, Outcome.LIVE)
    assert boxes.wire("b")["b"] in {before["b"], after["b"]}
    assert (words or "") in boxes.told("b")
    assert words or not boxes.told("b"), boxes.told("b")
    cure()
    assert_heals(boxes)


AT_EVERY_STEP = (obstacles.live_is_a_directory, obstacles.state_is_a_file, obstacles.published_is_immutable)
CRASHES = [
    *((damage, Step.SWITCHING) for damage in obstacles.EVERY),
    *((damage, step) for damage in AT_EVERY_STEP for step in (Step.PROBING, Step.GOING_BACK)),
]


@pytest.mark.sampled(5)
@pytest.mark.root
@pytest.mark.parametrize(("damage", "step"), CRASHES, ids=[f"{each.__name__}-{step}" for each, step in CRASHES])
def test_after_a_crash_the_others_are_recovered(boxes, damage, step, request):
    if step is Step.GOING_BACK:
        boxes.control("b").write_text("ignore")
    boxes.renew()
    boxes.dies_at(step)
    boxes.control("b").unlink(missing_ok=True)
    cure = damaged(boxes, damage, request)
    boxes.apply()
    after = boxes.bound(*MODULES)
    assert boxes.wire(*OTHERS) == {name: after[name] for name in OTHERS}
    assert {name: boxes.outcomes()[name] for name in OTHERS} == dict.fromkeys(OTHERS, Outcome.LIVE)
    cure()
    assert_heals(boxes)


@pytest.mark.sampled(4)
@pytest.mark.root
@pytest.mark.parametrize("damage", obstacles.EVERY, ids=[each.__name__ for each in obstacles.EVERY])
def test_at_boot_the_others_have_their_files(boxes, damage, request):
    boxes.renew()
    boxes.dies_at(Step.SWITCHING)
    cure = damaged(boxes, damage, request)
    for name in MODULES:
        boxes.stop(name)
    boxes.engine().boot()
    for name in OTHERS:
        boxes.start(name, boxes.layout.module(name).live / "toyd.conf")
    boxes.apply()
    assert boxes.wire(*OTHERS) == boxes.bound(*OTHERS)
    cure()
    boxes.clock.advance(minutes=11)
    boxes.apply()
    boxes.start("b", boxes.layout.module("b").live / "toyd.conf")
    assert_heals(boxes)
