"""Paths of the agent's that can't be changed, and steps of a pass that fail for one module alone."""

from __future__ import annotations

from agent.errors.deploy import APPLY, UNCHANGED, DeployError


class DiskFailed(DeployError):
    """A file or directory of the agent's can't be put in place. `where`: the path that somebody has to do something about."""

    code = "deploy.disk"
    cause = "A file can't be written: {reason}."
    effect = UNCHANGED
    fix = f"{{cure}}, {APPLY}"
    where: str
    reason: str
    cure: str = "Make room or check the disk"


class FileUnreadable(DiskFailed):
    """A file or directory can't be read that a module's generation is made from."""

    code = "deploy.file_unreadable"
    cause = "What the module's files are made from can't be read: {reason}."


class PlaceMissing(DiskFailed):
    """A directory of the agent's can't be made."""

    code = "deploy.place_missing"
    cause = "A directory of the agent can't be made: {reason}."
    effect = "What needs it waits; everything else goes on."


class NotPutBack(DeployError):
    """A switch that was not seen to work can't be undone wholly: something stands at a path of the module."""

    code = "deploy.not_put_back"
    cause = "What was there before the last switch can't be put back: {reason}."
    effect = "The module is left as it is until then; all others go on."
    fix = "{cure}; the next pass puts it back by itself, or now: chainwright apply"
    where: str
    reason: str
    cure: str


class NotTestedInTime(DeployError):
    """A boot has no time to wait for a service's own test: what serves already is put in place, what is new waits."""

    code = "deploy.not_tested_in_time"
    cause = "{program} gave no answer in the time that a boot has."
    effect = "Its last good files are in place."
    fix = "The agent tries what is new by itself once it runs; see why it takes so long: {command}"
    where: str
    program: str
    command: str


class StepFailed(DeployError):
    """A step of a pass failed for one module in a way that nobody foresaw."""

    code = "deploy.step_failed"
    cause = "The {step} of {module} failed by a mistake of the agent: {what:clause}."
    where = "{module}"
    effect = "What is in service was left as it is; all other modules go on."
    fix = "Report it with what was said exactly; it is tried again in each pass"
    module: str
    step: str
    what: str
    detail: str
