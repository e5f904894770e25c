"""A plugin broke its contract: only its modules stop."""

from __future__ import annotations

from collections.abc import Sequence

from agent.errors.base import AgentError

DISABLED = "It is disabled, everything else goes on."
STAYS = "Its last generation stays in place, the others go on."
PASSED_OVER = "It is passed over: the next source of the ladder serves."
LIST = "chainwright plugins"
UPDATE = f"Correct or update it, then: {LIST}"


class PluginError(AgentError):
    """What a plugin did that the contract does not allow."""

    code = "plugin"


class ModuleMissing(PluginError):
    """A module that may belong to a plugin that is broken."""

    code = "plugin.module_missing"
    cause = 'No working plugin registers the module "{plugin}"; broken: {broken}.'
    where = "{module}"
    effect = DISABLED
    fix = f"See what is broken: {LIST}"
    module: str
    plugin: str
    broken: Sequence[str]


class ModuleRaised(PluginError):
    """A module raised when it was asked."""

    code = "plugin.module_raised"
    cause = "The plugin failed in {hook}: {error:reason}."
    where = "{module}{place:? (%)}"
    effect = STAYS
    fix = f"Correct its settings, or update the plugin; {LIST} names its distribution."
    detail = "{error:place}"
    module: str
    hook: str
    error: BaseException
    place: str = ""
    """File and line of the plugin."""


class PolicyRaised(PluginError):
    """A plugin that wraps a module's hook raised, not the module."""

    code = "plugin.policy_raised"
    cause = 'The plugin "{policy}" failed when it was asked about {hook} of this module: {error:reason}.'
    where = "{module}{place:? (%)}"
    effect = STAYS
    fix = f"Correct or update that plugin; {LIST} names its distribution."
    detail = "{error:place}"
    module: str
    hook: str
    error: BaseException
    policy: str
    place: str = ""
    """File and line of the plugin."""


class PolicyRefused(PluginError):
    """A plugin that wraps a module's hook made the answer one that the hook does not allow."""

    code = "plugin.policy_refused"
    cause = 'The plugin "{policy}" made an answer to {hook} of this module one that can\'t be used: {reason}.'
    where = "{module}{place:? (%)}"
    effect = STAYS
    fix = f"Correct or update that plugin; {LIST} names its distribution."
    module: str
    hook: str
    reason: str
    policy: str
    place: str = ""
    """File and line of the plugin; empty where several have done it together."""


class PolicyMissing(PluginError):
    """A plugin that wrapped hooks can't be used: what it governed isn't switched without it."""

    code = "plugin.policy_missing"
    cause = 'The plugin "{policy}", which wraps {hooks:few}, can\'t be used: {why}'
    where = "{subject}{place:? (%)}"
    effect = "Nothing that it governs is switched; what is in service stays."
    fix = "Repair that plugin, or take [plugins.{policy}] out of the settings: then it governs nothing any longer."
    subject: str
    policy: str
    hooks: Sequence[str]
    """Those that it wrapped when it worked last."""
    why: str
    """A sentence."""
    place: str = ""
    """File and line of the plugin, or where it comes from."""


class TableFailed(PluginError):
    """The code of a plugin failed while a table of the settings was read; what is wrong with a value is a `SettingsProblem`."""

    code = "plugin.table_failed"
    cause = "The plugin failed in the validation of these settings: {error:reason}."
    where = "{table}{place:? (%)}"
    fix = f"Correct the settings, or update the plugin; {LIST} names its distribution."
    detail = "{error:place}"
    table: str
    error: BaseException
    effect: str = ""
    place: str = ""
    """File and line of the plugin."""


class PartMissing(PluginError):
    """A source, or something else that the settings name, that may belong to a plugin that is broken."""

    code = "plugin.part_missing"
    cause = 'No working plugin registers the {kind} "{name}"; broken: {broken}.'
    where = "{table}"
    fix = f"See what is broken: {LIST}"
    table: str
    kind: str
    name: str
    broken: Sequence[str]
    effect: str = ""


class DeclarationRefused(PluginError):
    """A module answered with something that the hook does not allow."""

    code = "plugin.declaration_refused"
    cause = "The plugin's answer to {hook} can't be used: {reason}."
    where = "{module}{place:? (%)}"
    effect = STAYS
    fix = f"Update the plugin; {LIST} names its distribution."
    module: str
    hook: str
    reason: str
    place: str = ""
    """File and line of the plugin."""


class PluginHangs(PluginError):
    """A plugin did not answer; for the rest of the process it is not asked again."""

    code = "plugin.hangs"
    cause = 'The plugin "{plugin}" did not answer {hook} within {seconds:number} s, and is not asked again meanwhile.'
    where = "{subject}{place:? (%)}"
    fix = f"Correct or update it; {LIST} names its distribution."
    plugin: str
    hook: str
    seconds: float
    subject: str
    effect: str = ""
    place: str = ""
    """File and line at which it was."""


class SourceRaised(PluginError):
    """A source raised when it was asked for a plan, or answered with something that can't be used."""

    code = "plugin.source_raised"
    cause = "The source failed in {hook}: {error:reason}."
    where = 'source "{source}"{place:? (%)}'
    effect = PASSED_OVER
    fix = f"Correct its settings, or update it; {LIST} names its distribution."
    detail = "{error:place}"
    source: str
    hook: str
    error: BaseException
    place: str = ""
    """File and line of the plugin."""
