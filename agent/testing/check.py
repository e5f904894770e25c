"""The check of a whole plugin: everything that it registers, in an appliance of its own."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from agent.config.settings import Settings
from agent.engine.pass_inputs import read_pass_inputs
from agent.engine.unchanged_settings import Loaded, Loader
from agent.errors.plugin_checks import NothingToCheck
from agent.errors.settings import SettingsRefused
from agent.errors.usage import UnknownPlugin
from agent.registry.command_trial import adds_commands, failures_of_commands
from agent.registry.contract_checks import Owner
from agent.registry.found_plugin import FoundPlugin
from agent.registry.implementations import implementations
from agent.registry.life_hooks import LIFE
from agent.registry.plugin_record import PluginRecord
from agent.registry.plugins import Registry
from agent.testing import sample_module
from agent.testing.acting_checks import NAME, ActingChecks
from agent.testing.appliance import Appliance
from agent.testing.deployment_checks import DeploymentChecks
from agent.testing.findings import CheckReport, Findings
from agent.testing.hook_watch import HookWatch
from agent.testing.module_checks import ADDRESS, AnswerChecks
from agent.testing.plugin_files import PluginFiles
from agent.testing.plugin_under_test import (
    CheckLoader,
    Plugin,
    classes_of,
    found_plugin,
    loaded_record,
    loader_of,
    modules_of,
    settings_for,
)
from agent.testing.rendered import Elsewhere
from agent.testing.runner import CountingRunner
from agent.testing.sample_ca import SampleCa
from agent.testing.stand_in import PromptProber, StandIn
from agent.testing.stand_in_runner import StandInRunner

SAMPLE = FoundPlugin(Owner(sample_module.NAME, sample_module.__file__), lambda: sample_module)
WITH_SAMPLE: Mapping[str, object] = {sample_module.NAME: {}}
PLACEHOLDER = ("sleep", "3600")
"""A process that pid files of services name; it is sent nothing."""


class CheckAppliance(Appliance):
    """Appliance of a check: every name resolves."""

    def resolve(self, name: str) -> Sequence[str]:
        """Return an address that is nobody's."""
        return [ADDRESS]


def check(
    plugin: Plugin,
    settings: Mapping[str, object] | None = None,
    *,
    names: Iterable[str] = (NAME,),
    acts: bool = True,
    loaded: Callable[[], Loaded] | None = None,
    templates: Path | None = None,
) -> CheckReport:
    """Check a plugin, with `settings` as its table, or with tables. Never raises for what the plugin does.

    `names`: those that a source is asked for. `acts`: sources, DNS solvers and notifiers may do what they are for.
    `loaded`: settings and plugins of an appliance, in the place of `settings`. `templates`: the operator's.
    """
    name, found = found_plugin(plugin)
    with CheckAppliance.make() as box:
        if templates is not None and templates.is_dir():
            shutil.copytree(templates, box.layout.templates)
        given = [*found, SAMPLE]
        record, registry = loaded_record(box.layout, name, given)
        files = PluginFiles.of(record.plugin, classes_of(record, registry)) if record else PluginFiles(frozenset())
        findings = Findings(files)
        base = (lambda _layout: loaded()) if loaded else loader_of(given)
        if record is None:
            findings.add(UnknownPlugin(name, [each.name for each in registry.plugins]))
        elif _loads(findings, record):
            _check_commands(findings, record, registry)
            if loaded is None:
                box.settings(_with_sample(record, registry, settings_for(record, settings or {})))
            found_by = _found_by(plugin) if loaded is None else None
            _Checking(box, findings, record, [*names], acts, found_by).run(base)
        return findings.report(name)


def _found_by(plugin: Plugin) -> str | None:
    """Return what another process finds a plugin by, its path or its name; None: it can't."""
    if isinstance(plugin, Path):
        return str(plugin.absolute())
    return plugin if isinstance(plugin, str) else None


def _loads(findings: Findings, record: PluginRecord) -> bool:
    """Note what keeps a plugin from being loaded. Return whether something of it can be used."""
    findings.checked.append("its import and what it registers")
    for error in record.errors:
        findings.add(error)
    if record.plugin is not None and not record.contributions and not [*implementations(record.plugin)]:
        findings.add(NothingToCheck(record.owner.origin))
    return record.plugin is not None and not record.errors


def _check_commands(findings: Findings, record: PluginRecord, registry: Registry) -> None:
    """Note why the commands that a plugin adds are missing."""
    if adds_commands(record):
        findings.checked.append("its commands")
        for error in failures_of_commands([record], registry.guard).values():
            findings.add(error)


def _with_sample(record: PluginRecord, registry: Registry, settings: Mapping[str, object]) -> dict[str, object]:
    """Return the settings with a module for a plugin that has none, and wraps or observes others."""
    asked = [record.plugin, registry.settings.get(record.name)]
    about_modules = any(each.hook in {*LIFE, "on_event"} for some in asked if some for each in implementations(some))
    return dict(settings) if settings.get("modules") or not about_modules else {**settings, "modules": WITH_SAMPLE}


@dataclass
class _Checking:
    """Check of what one plugin contributes."""

    box: CheckAppliance
    findings: Findings
    record: PluginRecord
    names: Sequence[str]
    acts: bool
    found_by: str | None
    """Name or file by which another process finds the plugin, with the settings of this appliance; None: it can't."""

    def run(self, base: Loader) -> None:
        """Check all of it."""
        stand_in = StandIn(self.box.layout, SampleCa(self.box.clock()).chain(["check.lan"]))
        with _placeholder() as pid:
            watch = HookWatch(self.findings, stand_in, pid)
            settings = self._settings(base)
            if settings is not None:
                self._check_acting(settings, ActingChecks(self.findings, watch, self.box, self.names, acts=self.acts))
                runner = StandInRunner(watch, stand_in, self.findings, lambda asked: modules_of(settings, asked))
                self.box.runner, self.box.prober = CountingRunner(runner), PromptProber()
                self._check_modules(stand_in, CheckLoader(base, watch.policy))
        stand_in.close()

    def _check_acting(self, settings: Settings, checks: ActingChecks) -> None:
        own = {each.rpartition(" ")[2] for each in self.record.contributions}
        for name, source in settings.rungs.items():
            if f"source {name}" in self.record.contributions:
                checks.check_source(source.source)
        for name, handle in settings.dns_solvers.items():
            if handle.plugin in own:
                checks.check_solver(name, handle.solver)
        for name, notifier in settings.notifiers.items():
            if settings.notify[name].plugin in own:
                checks.check_notifier(name, notifier)
        observing = [self.record.plugin, settings.plugin_settings.get(self.record.name)]
        for each in observing:
            if each is not None:
                checks.check_observer(self.record.name, each)

    def _settings(self, base: Loader) -> Settings | None:
        """Return the settings; None: they are refused."""
        self.findings.checked.append("its settings")
        try:
            settings, _ = base(self.box.layout)
        except SettingsRefused as error:
            if self.acts:
                self.findings.add(error)
            else:
                reasons = "; ".join(f"[{each.table}] {each.key}: {each.cause}" for each in error.errors)
                self.findings.leave_out(f"what needs settings, as this appliance has none for it ({reasons})")
            return None
        for entry in settings.entries.values():
            if entry.error:
                self.findings.add(entry.error)
        return settings

    def _check_modules(self, stand_in: StandIn, loader: CheckLoader) -> None:
        self.box.loader = loader
        enabled = read_pass_inputs(self.box.layout, None, loader=loader).enabled
        if not enabled.modules:
            return
        answers = AnswerChecks(self.findings, enabled)
        with self._elsewhere() as others:
            answers.run()
            for each in others.results() if others else ():
                answers.compare_elsewhere(each)
        if self.findings.faults:
            self.findings.leave_out("a deployment, until these faults are mended")
            return
        DeploymentChecks(self.findings, self.box, stand_in, enabled, loader).run()
        answers.render_again()

    @contextmanager
    def _elsewhere(self) -> Iterator[Elsewhere | None]:
        """Give renderings of other processes, where these can load the plugin."""
        if self.found_by is None:
            yield None
            return
        others = Elsewhere(self.box.root, self.found_by)
        try:
            yield others
        finally:
            others.close()


@contextmanager
def _placeholder() -> Iterator[int]:
    """Give the number of a process that stands for the services'."""
    process = subprocess.Popen(PLACEHOLDER)
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()
