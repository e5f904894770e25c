"""A generation was refused, rolled back or is broken."""

from __future__ import annotations

from collections.abc import Sequence

from agent.errors.base import AgentError

UNCHANGED = "What is in service was not changed."
PUT_BACK_AND_SEEN = "The previous generation was put back, and was seen to be served."
PUT_BACK = "The previous generation was put back; what is served was not seen."
WAITS = "It does not run, and its start would fail."
EARLIER_IN_PLACE = "Its last configuration that the service accepts is in place, so that all is served."
KEPT = "The new generation stays in place, as there is no better one."
TAKEN_OUT = "It was taken out again; there was no generation before it."
APPLY = "then: chainwright apply"
RENEW = "then: chainwright renew"


class DeployError(AgentError):
    """What went wrong between rendering a generation and seeing it on the wire."""

    code = "deploy"

    def mend_with(self, cure: str) -> None:
        """Have what a plugin knows as a cure be the next step; empty: it knows none."""
        if cure:
            self.fix = f"{cure}, {APPLY}"


class TemplateRefused(DeployError):
    """A template can't be rendered."""

    code = "deploy.template"
    cause = "The template can't be rendered: {reason}."
    effect = UNCHANGED
    fix = f"Correct or remove the template, {APPLY}"
    where: str
    reason: str


class TemplateMissing(DeployError):
    """A plugin names a template that there isn't."""

    code = "deploy.template_missing"
    cause = "There is no template {name}."
    where = "{owner}{place:? (%)}"
    effect = UNCHANGED
    fix = f'Put it into the directory "templates" beside the plugin, or correct its name there, {APPLY}'
    owner: str
    name: str
    place: str = ""
    """File and line of the plugin."""


class PreflightRefused(DeployError):
    """Staged material would break the service."""

    code = "deploy.preflight"
    cause = "The staged files would break the service: {reason}."
    effect = UNCHANGED
    fix = f"Look at the chain: chainwright show, {APPLY}"
    where: str
    reason: str


class PrepareFailed(DeployError):
    """A command that prepares a generation failed."""

    code = "deploy.prepare_failed"
    cause = "{program} failed: {reason:clause}."
    effect = UNCHANGED
    fix = f"Correct what it names, {APPLY}"
    where: str
    program: str
    reason: str
    detail: str


class CheckRefused(DeployError):
    """The service's own test refused a generation."""

    code = "deploy.check_refused"
    cause = "{program} refused the new configuration: {reason:clause}."
    effect = UNCHANGED
    fix = f"Correct the setting or template that it names, {APPLY}"
    where: str
    program: str
    reason: str
    detail: str


class ServiceRefusesPresent(DeployError):
    """The service's test refuses even what is in service: the cause lies outside of the agent's files."""

    code = "deploy.present_refused"
    cause = "{program} refuses even the configuration that is in service: {reason:clause}."
    effect = "Nothing was changed."
    fix = f"Correct the service's own files, {APPLY}"
    where: str
    program: str
    reason: str
    detail: str


class ReloadFailed(DeployError):
    """A reload command failed."""

    code = "deploy.reload_failed"
    cause = "The reload failed ({program}): {reason:clause}."
    fix = f"Look at the service's log, {RENEW}"
    where: str
    program: str
    reason: str
    detail: str


class StartFailed(DeployError):
    """A service that the agent is to start can't be started."""

    code = "deploy.start_failed"
    cause = "The service does not run, and can't be started ({program}): {reason:clause}."
    effect = "The new files are in place for its start."
    fix = f"Correct what it names, {APPLY}"
    where: str
    program: str
    reason: str
    detail: str


class ServiceDown(DeployError):
    """The service doesn't run or isn't installed: everything is ready for its start."""

    code = "deploy.service_down"
    cause = "The service can't be reloaded: {reason:clause}."
    effect = "The new files are in place for its start."
    fix = "Start or install the service; the next pass looks again."
    where: str
    reason: str


class NoSystemd(DeployError):
    """The settings leave a service to systemd, which is not what starts services on this machine."""

    code = "deploy.no_systemd"
    cause = "systemd does not run here, and the service is left to it."
    where = "{service}"
    effect = "The new files are in place; nothing tells the service of them."
    fix = f"Set {{cure}}, {APPLY}"
    service: str
    shared: bool = True
    """Whether it has a table of its own; otherwise it is a module's."""

    @property
    def cure(self) -> str:
        """What to set, and where."""
        if self.shared:
            return f'manager = "commands" in [services.{self.service}]'
        return f"what reloads it without systemd in [modules.{self.service}]"


class NotIncluded(DeployError):
    """The administrator's main file doesn't name the agent's files yet, which are there for it."""

    code = "deploy.not_included"
    cause = "{reason}."
    where = "{service}"
    effect = "The files that it is to name are in place; the service is not reloaded before it does."
    fix = f"Add what is missing, {APPLY}"
    service: str
    reason: str


class NotTakenUp(DeployError):
    """The first files of a module are in place, and its service doesn't go by them yet."""

    code = "deploy.not_taken_up"
    cause = "The service doesn't serve the first files yet: {reason:clause}."
    where = "{module}"
    effect = "The files stay in place for its configuration to name them."
    fix = f"Have its configuration name {{paths:few}}, {APPLY}"
    module: str
    reason: str
    paths: Sequence[str]


class RollbackFailed(DeployError):
    """The old generation was put back, but isn't seen on the wire either."""

    code = "deploy.broken"
    cause = "Neither the new generation nor the previous one is seen to be served: {reason:clause}{after}."
    effect = "The service may be down."
    fix = f"Look at the service's log and restart it, {RENEW}"
    where: str
    reason: str
    again: str = ""
    """What was wrong after going back."""

    @property
    def after(self) -> str:
        """End of the sentence, where that is something else."""
        again = self.again.rstrip(".: ")
        return f"; after going back: {again}" if again and again != self.reason.rstrip(".: ") else ""


class FileDamaged(DeployError):
    """Someone else changed a file that is in service."""

    code = "deploy.file_damaged"
    cause = "The file {path} is no longer what the agent wrote."
    fix = "The agent writes it again by itself; settings and templates are the places for changes."
    where: str
    path: str


class OwnerUnknown(DeployError):
    """A user or group that files are to belong to doesn't exist."""

    code = "deploy.owner_unknown"
    cause = 'There is no {kind} "{name}" on this machine.'
    where = "{owner}{place:? (%)}"
    effect = UNCHANGED
    fix = 'Create it, or name another one in the settings; "adduser --system --group {name}" makes both.'
    kind: str
    name: str
    owner: str = "staging"
    """Module or service."""
    place: str = ""
    """File and line of the plugin, where it says so itself."""


class PublishOccupied(DeployError):
    """A fixed path is taken by a file that isn't the agent's."""

    code = "deploy.publish_occupied"
    cause = "{kind} of the administrator's own is where a file of the agent belongs; it is not overwritten."
    effect = UNCHANGED
    fix = f"Move it away, {APPLY}"
    where: str
    kind: str = "A file"


class ChainGone(DeployError):
    """A file is to be made from a chain that is no longer in the store."""

    code = "deploy.chain_gone"
    cause = "The chain {chain:short} has been deleted."
    where = "staging"
    effect = UNCHANGED
    fix = "Let the agent choose another one: chainwright apply"
    chain: str


class NotTakenOut(DeployError):
    """A module that is no longer configured can't be taken out of its services."""

    code = "deploy.not_taken_out"
    cause = "It is no longer configured, but can't be taken out: {reason:clause}."
    where = "{module}"
    effect = "Its files and keys stay in place."
    fix = f"Correct what it names, {APPLY}"
    module: str
    reason: str
    detail: str


class LeftBehind(DeployError):
    """A service that no module uses any more includes a file of the agent's, which can't be removed under it."""

    code = "deploy.left_behind"
    cause = (
        "No module uses {service} any more, but it needs the agent's file, which includes nothing now: {reason:clause}."
    )
    where = "{service}"
    fix = f"Take out the line that includes it, {APPLY}"
    service: str
    reason: str


class ServiceForgotten(DeployError):
    """A module is to be taken out of a service of which nothing is known any more."""

    code = "deploy.service_forgotten"
    cause = 'No plugin that works registers the service "{service}", so it can\'t be told.'
    where = "{service}"
    effect = UNCHANGED
    fix = "Install or repair the plugin; see: chainwright plugins"
    service: str
