"""Checks of a whole life: deployed, renewed, refused, rolled back, killed at each step, given an upload, taken out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from agent.contract.module import Module
from agent.errors import AgentError
from agent.errors.deploy import OwnerUnknown
from agent.errors.plugin_checks import DeploymentDiffers, LeftBehind, ModeOpened
from agent.model.deployment import Deployment, Outcome, Step
from agent.model.need import Need
from agent.rendering.enabled_modules import EnabledModules
from agent.testing.appliance import Appliance
from agent.testing.findings import Findings, place_in, place_of_method
from agent.testing.plugin_under_test import CheckLoader
from agent.testing.sample_ca import SampleCa
from agent.testing.stand_in import StandIn

RENEWAL_DAYS = 61
"""Until local chains are due."""
PAUSE_HOURS = 25
"""After which all that was refused is tried again."""
GOOD = (Outcome.LIVE, Outcome.UNSEEN)
STEPS = tuple(step for step in Step if step is not Step.GOING_BACK)
"""Steps of a deployment that succeeds, each of which a process may die in."""


class DeploymentChecks:
    """Play of one appliance with the modules of a plugin."""

    def __init__(
        self,
        findings: Findings,
        box: Appliance,
        stand_in: StandIn,
        enabled: EnabledModules,
        loader: CheckLoader,
    ) -> None:
        """`loader`: of the appliance's settings."""
        self._loader = loader
        self._findings = findings
        self._box = box
        self._stand_in = stand_in
        self._enabled = enabled
        self._modules: Sequence[str] = ()
        """Those that ask for chains."""

    def run(self) -> None:
        """Play all of it, up to the first part that goes wrong: what follows would tell the same again."""
        before = {*self._outside()}
        if not self._deployed():
            return
        parts: list[Callable[[], None]] = [self._check_modes, self._renewed, self._refused, self._ignored]
        parts += [partial(self._killed, step) for step in STEPS]
        parts += [self._killed_going_back, self._uploaded, partial(self._taken_out, before)]
        for part in parts:
            if self._findings.faults:
                return
            part()

    def _deployed(self) -> bool:
        with self._findings.checking("a first deployment"):
            self._box.apply()
            with self._box.store() as store:
                asking = {need.module for need in store.modules.needs()}
            self._modules = [name for name in self._enabled.modules if name in asking]
            for name in {*self._enabled.modules} - asking:
                self._findings.leave_out(f"{name} asks for no chain with these settings, so nothing of it is deployed")
            if self._lacks_owner():
                return False
            return self._expect("after the first deployment", GOOD)
        return False

    def _lacks_owner(self) -> bool:
        """Whether nothing can be deployed as this machine lacks a user or group that files are to belong to."""
        with self._box.store() as store:
            problems = [each.problem for each in store.deployments.all().values() if each.problem]
        lacking = [each for each in problems if each.code == OwnerUnknown.code]
        for each in lacking:
            self._findings.leave_out(f"a deployment: {each.cause}")
        return bool(lacking)

    def _renewed(self) -> None:
        with self._findings.checking("a renewal"):
            self._box.clock.advance(days=RENEWAL_DAYS)
            self._box.apply()
            self._expect("after a renewal", GOOD)
            for name in self._modules:
                self._expect_loaded(name, "after a renewal")

    def _refused(self) -> None:
        with self._findings.checking("a reload that fails"):
            self._stand_in.refuses = True
            self._box.clock.advance(days=RENEWAL_DAYS)
            self._box.apply()
            self._stand_in.refuses = False
            self._expect("after its reload has failed", (Outcome.ROLLED_BACK,))
            self._go_on("once reloads succeed again")

    def _ignored(self) -> None:
        with self._findings.checking("a service that keeps the old chain"):
            self._stand_in.ignores = True
            self._box.clock.advance(days=RENEWAL_DAYS)
            self._box.apply()
            self._stand_in.ignores = False
            self._expect("after its service has kept the old chain", (Outcome.ROLLED_BACK,), self._seen)
            self._go_on("once its service takes the new chain")

    def _killed(self, step: Step) -> None:
        with self._findings.checking(f"a process that dies at the step {step}"):
            self._box.clock.advance(days=RENEWAL_DAYS)
            if self._box.kill_at(step):
                self._box.apply()
            self._expect(f"after a process that died at the step {step}", GOOD)

    def _killed_going_back(self) -> None:
        with self._findings.checking("a process that dies while it goes back"):
            self._stand_in.refuses = True
            self._box.clock.advance(days=RENEWAL_DAYS)
            self._box.kill_at(Step.GOING_BACK)
            self._stand_in.refuses = False
            self._go_on("after a process that died while it went back")

    def _uploaded(self) -> None:
        """Upload chains with intermediates, of RSA keys where the module takes them; an upload that fits nowhere is left."""
        with self._findings.checking("uploads with an RSA key and an intermediate"):
            with self._box.store() as store:
                needs = [*store.modules.needs()]
            ca = SampleCa(self._box.clock())
            uploaded = [need for need in needs if self._upload(ca, need)]
            self._box.apply()
            self._expect("after an upload", GOOD, sorted({need.module for need in uploaded}))

    def _upload(self, ca: SampleCa, need: Need) -> bool:
        rsa = [each for each in need.key_types if each.startswith("rsa")]
        chain = ca.chain(need.names, (rsa or need.key_types)[0], need.purpose)
        try:
            self._box.upload(chain)
        except AgentError:  # it takes none, or has one for these names already
            return False
        return True

    def _taken_out(self, before: Collection[Path]) -> None:
        with self._findings.checking("a module that is taken out"):
            self._loader.taken_out = True
            self._box.apply()
            with self._box.store() as store:
                left = store.deployments.all()
            for name in left:
                self._add(name, "after it was taken out", ["gone"], left[name])
            place = self._place(next(iter(self._enabled.modules)), "prepare_command")
            for path in sorted({*self._outside()} - {*before}):
                self._findings.add(LeftBehind(str(path.relative_to(self._box.root)), place))

    def _check_modes(self) -> None:
        """Compare the modes of what is in service with what was declared: commands have run in between."""
        with self._findings.checking("the modes of files"), self._box.store() as store:
            for name in self._modules:
                number = self._stand_in.in_service(name)
                generation = store.deployments.generation(f"module:{name}", number) if number else None
                for file in generation.files if generation else ():
                    found = (self._box.live(name) / file.path).stat().st_mode & 0o777
                    if found != file.mode:
                        place = self._place(name, "prepare_command")
                        self._findings.add(ModeOpened(file.path, f"{file.mode:04o}", f"{found:04o}", place))

    def _go_on(self, when: str) -> None:
        self._box.clock.advance(hours=PAUSE_HOURS)
        self._box.apply()
        self._expect(when, GOOD)

    @property
    def _seen(self) -> list[str]:
        """Modules of which something shows what their service runs."""
        return [name for name in self._modules if self._shows(name, self._enabled.modules[name])]

    def _shows(self, name: str, module: Module) -> bool:
        with self._box.store() as store:
            return any(each.module == name for each in store.endpoints.all())

    def _expect(self, when: str, outcomes: Sequence[Outcome], modules: Sequence[str] | None = None) -> bool:
        """Compare what became of modules. Return whether all are as they should be."""
        with self._box.store() as store:
            found = store.deployments.all()
        wanted = self._modules if modules is None else modules
        other = [name for name in wanted if name not in found or found[name].outcome not in outcomes]
        for name in other:
            self._add(name, when, [str(each) for each in outcomes[:1]], found.get(name))
        return not other

    def _expect_loaded(self, name: str, when: str) -> None:
        if not self._stand_in.runs_what_is_in_service([name]):
            reason = "its service was not told: reload_command names nothing that was run"
            place = self._place(name, "reload_command")
            self._findings.add(
                DeploymentDiffers(name, "not loaded by its service", when, "loaded", f"{reason}.", place)
            )

    def _add(self, name: str, when: str, wanted: Sequence[str], found: Deployment | None) -> None:
        problem = found.problem if found else None
        outcome = str(found.outcome) if found else "not deployed"
        error = DeploymentDiffers(
            name, outcome.replace("_", " "), when, wanted[0].replace("_", " "), problem.cause if problem else "", ""
        )
        told = error.problem
        self._findings.add_problem(replace(told, detail=problem.detail) if problem else told, place_in(problem))

    def _place(self, name: str, method: str) -> str:
        return place_of_method(self._enabled.modules[name], method)

    def _outside(self) -> list[Path]:
        """Return the files of the appliance that are in none of the agent's own directories."""
        layout = self._box.layout
        own = (layout.state, layout.etc, layout.run, layout.log)
        found = [path for path in self._box.root.rglob("*") if path.is_symlink() or not path.is_dir()]
        return [path for path in found if not any(path.is_relative_to(each) for each in own)]
