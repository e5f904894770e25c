"""The check of a whole plugin: everything that it registers, in an appliance of its own."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from agent.config.settings import Settings
from agent.engine.pass_inputs import read_pass_inputs
from agent.engine.unchanged_settings import Loaded, Loader
from agent.errors.plugin_checks import NothingToCheck
from agent.errors.settings import SettingsRefused
from agent.registry.contract_checks import Owner, implementations
from agent.registry.discovery import FoundPlugin
from agent.registry.plugins import PluginRecord, Registry
from agent.testing import sample_module
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
from agent.testing.runner import CountingRunner
from agent.testing.sample_ca import SampleCa
from agent.testing.stand_in import StandIn
from agent.testing.stand_in_runner import StandInRunner

SAMPLE = FoundPlugin(Owner(sample_module.NAME, sample_module.__file__), lambda: sample_module)
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
    acts: bool = True,
    loaded: Callable[[], Loaded] | None = None,
    templates: Path | None = None,
) -> CheckReport:
    """Check a plugin, with `settings` as its table, or with tables. Never raises for what the plugin does.

    `acts`: sources, DNS solvers and notifiers may do what they are for. `loaded`: settings and plugins of an appliance, in the
    place of `settings`. `templates`: the operator's.
    """
    name, found = found_plugin(plugin)
    with CheckAppliance.make() as box:
        if isinstance(plugin, Path):
            box.install(plugin)
        if templates is not None and templates.is_dir():
            shutil.copytree(templates, box.layout.templates)
        given = [*found, SAMPLE]
        record, registry = loaded_record(box.layout, name, given)
        files = PluginFiles.of(record.plugin, classes_of(record, registry)) if record else PluginFiles(frozenset())
        findings = Findings(files)
        base = (lambda _layout: loaded()) if loaded else loader_of(given)
        if record is None:
            findings.left_out.append(f"no plugin is named {name}")
        elif _loads(findings, record):
            if loaded is None:
                box.settings(_with_sample(record, settings_for(record, settings or {})))
            _Checking(box, findings, record, registry, acts=acts).run(base)
        return findings.report(name)


def _loads(findings: Findings, record: PluginRecord) -> bool:
    """Note what keeps a plugin from being loaded. Return whether something of it can be used."""
    findings.checked.append("its import and what it registers")
    for error in record.errors:
        findings.add(error)
    if record.plugin is not None and not record.contributions and not [*implementations(record.plugin)]:
        findings.add(NothingToCheck(record.owner.origin))
    return record.plugin is not None and not record.errors


def _with_sample(record: PluginRecord, settings: Mapping[str, object]) -> dict[str, object]:
    """Return the settings with a module for a plugin that has none."""
    modules = settings.get("modules") or {sample_module.NAME: {}}
    return {**settings, "modules": modules}


@dataclass
class _Checking:
    """Check of what one plugin contributes."""

    box: CheckAppliance
    findings: Findings
    record: PluginRecord
    registry: Registry
    acts: bool

    def run(self, base: Loader) -> None:
        """Check all of it."""
        stand_in = StandIn(self.box.layout, SampleCa(self.box.clock()).chain(["check.lan"]))
        with _placeholder() as pid:
            watch = HookWatch(self.findings, stand_in, pid)
            loader = CheckLoader(base, watch.policy)
            settings = self._settings(loader)
            if settings is not None:
                runner = StandInRunner(
                    watch, stand_in, self.findings, lambda declaration: modules_of(settings, declaration)
                )
                self.box.loader, self.box.runner = loader, CountingRunner(runner)
                self._check_modules(stand_in, loader)
        stand_in.close()

    def _settings(self, loader: CheckLoader) -> Settings | None:
        """Return the settings; None: they are refused."""
        self.findings.checked.append("its settings")
        try:
            settings, _ = loader(self.box.layout)
        except SettingsRefused as error:
            self.findings.add(error)
            return None
        for entry in settings.entries.values():
            if entry.error:
                self.findings.add(entry.error)
        return settings

    def _check_modules(self, stand_in: StandIn, loader: CheckLoader) -> None:
        enabled = read_pass_inputs(self.box.layout, None, loader=loader).enabled
        if not enabled.modules:
            return
        answers = AnswerChecks(self.findings, enabled)
        answers.run()
        if self.findings.faults:
            self.findings.leave_out("a deployment, until these faults are mended")
            return
        DeploymentChecks(self.findings, self.box, stand_in, enabled, loader).run()
        answers.render_again()


@contextmanager
def _placeholder() -> Iterator[int]:
    """Give the number of a process that stands for the services'."""
    process = subprocess.Popen(PLACEHOLDER)
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()
