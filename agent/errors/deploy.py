"""A generation was refused, rolled back or is broken."""

from __future__ import annotations

from agent.errors.problem import AgentError


class DeployError(AgentError):
    """What went wrong between rendering a generation and seeing it on the wire."""

    code = "deploy"


class ProbeFailed(DeployError):
    """An endpoint gave no answer, or the layer above TLS is dead."""

    code = "deploy.probe_failed"

    def __init__(self, endpoint: str, reason: str, *, dead: bool = False) -> None:
        self.dead = dead
        """Nobody listens there: the service may not run."""
        super().__init__(
            f"The endpoint gives no proper answer: {reason}.",
            where=endpoint,
            fix="Look at the service's log, then: chainwright renew",
        )


class WrongChainServed(DeployError):
    """An endpoint answers, but with another chain."""

    code = "deploy.wrong_chain"

    def __init__(self, endpoint: str, served: tuple[str, ...], expected: tuple[str, ...]) -> None:
        """Take SHA-256 fingerprints of leaf and intermediates, in the order in which they are sent (lower-case hex)."""
        leaf_is_right = served[:1] == expected[:1]
        super().__init__(
            f"The endpoint serves {_difference(served, expected)}.",
            where=endpoint,
            fix=f"Look whether {WHOLE_CHAIN if leaf_is_right else RELOADED}, then: chainwright renew",
        )


RELOADED = "the service was reloaded"
WHOLE_CHAIN = "its configuration names the file with the whole chain"


def _difference(served: tuple[str, ...], expected: tuple[str, ...]) -> str:
    if not served:
        return f"no certificate instead of the chain {short(expected[0])}"
    if served[0] != expected[0]:
        return f"the chain {short(served[0])} instead of {short(expected[0])}"
    if len(served) == 1:
        return f"the chain {short(served[0])} without its intermediates"
    wanted = ", ".join(map(short, expected[1:])) or "none"
    return (
        f"the chain {short(served[0])} with the intermediates {', '.join(map(short, served[1:]))} instead of {wanted}"
    )


def short(fingerprint: str) -> str:
    """Return the beginning of a fingerprint, enough for people to tell chains apart."""
    return fingerprint[:12]


def _clause(said: str) -> str:
    """Return what a program said as the end of a sentence."""
    return said.rstrip(".: ")


class WrongGeneration(DeployError):
    """An endpoint serves the chain, but its service still runs an older configuration."""

    code = "deploy.wrong_generation"

    def __init__(self, endpoint: str, served: int | None, expected: int) -> None:
        """Take generation numbers; `served` is None where the service shows none."""
        shown = (
            f"runs generation {served} instead of"
            if served is not None
            else "doesn't tell its generation; it should be"
        )
        super().__init__(
            f"The service {shown} {expected}.",
            where=endpoint,
            fix=f"Look whether {RELOADED}, then: chainwright renew",
        )


class TemplateRefused(DeployError):
    """A template can't be rendered."""

    code = "deploy.template"

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(
            f"The template can't be rendered: {reason}.",
            where=where,
            effect="What was served is still served.",
            fix="Correct or remove the template, then: chainwright apply",
        )


class PreflightRefused(DeployError):
    """Staged material would break the service."""

    code = "deploy.preflight"

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(
            f"The staged files would break the service: {reason}.",
            where=where,
            effect="What was served is still served.",
            fix="Look at the chain: chainwright show, then: chainwright apply",
        )


class PrepareFailed(DeployError):
    """A command that prepares a generation failed."""

    code = "deploy.prepare_failed"

    def __init__(self, where: str, command: str, reason: str, output: str) -> None:
        super().__init__(
            f'"{command}" failed: {_clause(reason)}.',
            where=where,
            effect="What was served is still served.",
            fix="Correct what it names, then: chainwright apply",
            detail=output,
        )


class CheckRefused(DeployError):
    """The service's own test refused a generation."""

    code = "deploy.check_refused"

    def __init__(self, where: str, command: str, reason: str, output: str) -> None:
        super().__init__(
            f'"{command}" refused the new configuration: {_clause(reason)}.',
            where=where,
            effect="What was served is still served.",
            fix="Correct the setting or template that it names, then: chainwright apply",
            detail=output,
        )


class ServiceRefusesPresent(DeployError):
    """The service's test refuses even what is in service: the cause lies outside of the agent's files."""

    code = "deploy.present_refused"

    def __init__(self, where: str, command: str, reason: str, output: str) -> None:
        super().__init__(
            f'"{command}" refuses even the configuration that is in service: {_clause(reason)}.',
            where=where,
            effect="Nothing was changed.",
            fix="Correct the service's own files, then: chainwright apply",
            detail=output,
        )


class ReloadFailed(DeployError):
    """A reload command failed; the old generation was put back."""

    code = "deploy.reload_failed"

    def __init__(self, where: str, command: str, reason: str, output: str) -> None:
        super().__init__(
            f'The reload failed ("{command}"): {_clause(reason)}.',
            where=where,
            effect="The previous generation was put back.",
            fix="Look at the service's log, then: chainwright renew",
            detail=output,
        )


class ServiceDown(DeployError):
    """The service doesn't run or isn't installed: everything is ready for its start."""

    code = "deploy.service_down"

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(
            f"The service can't be reloaded: {_clause(reason)}.",
            where=where,
            effect="The new files are in place for its start.",
            fix="Start or install the service; the next pass looks again.",
        )


class RollbackFailed(DeployError):
    """The old generation was put back, but isn't seen on the wire either."""

    code = "deploy.broken"

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(
            f"Neither the new generation nor the previous one is seen to be served: {_clause(reason)}.",
            where=where,
            effect="The service may be down.",
            fix="Look at the service's log and restart it, then: chainwright renew",
        )


class FileDamaged(DeployError):
    """Someone else changed a file that is in service."""

    code = "deploy.file_damaged"

    def __init__(self, where: str, path: str) -> None:
        super().__init__(
            f"The file {path} is no longer what the agent wrote.",
            where=where,
            fix="The agent writes it again by itself; settings and templates are the places for changes.",
        )


class OwnerUnknown(DeployError):
    """A user or group that files are to belong to doesn't exist."""

    code = "deploy.owner_unknown"

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(
            f'There is no {kind} "{name}" on this machine.',
            where="staging",
            effect="What was served is still served.",
            fix=f'Create it, or name another one in the settings; "adduser --system --group {name}" makes both.',
        )


class PublishOccupied(DeployError):
    """Something that isn't the agent's stands at a fixed path."""

    code = "deploy.publish_occupied"

    def __init__(self, path: str) -> None:
        super().__init__(
            "The administrator's own file stands where a file of the agent belongs; it is not overwritten.",
            where=path,
            effect="What was served is still served.",
            fix="Move it away, then: chainwright apply",
        )


class DiskFailed(DeployError):
    """The disk is full or failing."""

    code = "deploy.disk"

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(
            f"A file can't be written: {reason}.",
            where=where,
            effect="What was served is still served.",
            fix="Make room or check the disk, then: chainwright apply",
        )


class ChainGone(DeployError):
    """A file is to be made from a chain that is no longer in the store."""

    code = "deploy.chain_gone"

    def __init__(self, chain: str) -> None:
        super().__init__(
            f"The chain {chain[:12]} has been deleted.",
            where="staging",
            effect="What was served is still served.",
            fix="Let the agent choose another one: chainwright apply",
        )
