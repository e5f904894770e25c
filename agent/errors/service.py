"""What a look finds wrong with a service that has its configuration: it warns, clashes, would not start, or can't be reloaded."""

from __future__ import annotations

from collections.abc import Sequence

from agent.errors.deploy import APPLY, DeployError


class CheckWarned(DeployError):
    """The service's own test accepts the configuration, and warns of something that is about what is served."""

    code = "deploy.check_warned"
    cause = "The test of {service} warns: {warnings:semicolons}."
    where = "{service}"
    effect = "It may serve something else than was meant."
    fix = f"Correct what it names, {APPLY}"
    service: str
    warnings: Sequence[str]


class ConfigurationClash(DeployError):
    """What a service would start with contradicts itself in a way that its own test doesn't tell, or tells without a file."""

    code = "deploy.clash"
    cause = "{why:clause}."
    where = "{service}"
    fix = "{cure}"
    service: str
    why: str
    cure: str


class NotDiagnosed(DeployError):
    """The program of a service's plugin that looks for contradictions in its configuration has failed."""

    code = "deploy.not_diagnosed"
    cause = "What {service} starts with could not be searched for contradictions ({program}): {reason:clause}."
    where = "{service}"
    effect = "What is in service goes on."
    fix = "Correct what it names; it is tried again at the next look."
    service: str
    program: str
    reason: str
    detail: str


class NextStartFails(DeployError):
    """The service's own test fails on what is in service: it runs, or waits, but would not start with that."""

    code = "deploy.next_start_fails"
    cause = "{service} would not start with what is in place now: {reason:clause}."
    where = "{service}"
    effect = "What is in service goes on until it is restarted."
    fix = f"Correct what it names, as this shows it: {{command}}; {APPLY}"
    service: str
    command: str
    reason: str
    detail: str


class LeftOut(DeployError):
    """A service that did not run refused what was in place for it: the part that it refuses was left out for the rest."""

    code = "deploy.left_out"
    cause = "{service} would not start with it: {reason:clause}."
    effect = "It is left out, so that the rest is served."
    fix = f"Correct what it names, {APPLY}"
    where: str
    service: str
    reason: str
    detail: str


class NotReloadable(DeployError):
    """A service serves what it should, but can't be told to read its files again: the next renewal would not reach it."""

    code = "deploy.not_reloadable"
    cause = "{service} serves, but can't be told to reload: {reason:clause}."
    where = "{service}"
    effect = "What it serves goes on, and the next chain does not reach it."
    fix = "{advice}; the agent looks again by itself."
    service: str
    reason: str
    advice: str


class FormerInstance(DeployError):
    """A daemon of the agent's own still runs though the settings name another one."""

    code = "deploy.former_instance"
    cause = (
        "The {service} of the agent's own still runs ({how}), though the settings name another one: what it read is served on, "
        "and where it listens the other can't."
    )
    where = "{service}"
    fix = f"Stop it: {{stop}}. Start the other one, {APPLY}"
    service: str
    how: str
    stop: str
