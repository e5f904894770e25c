"""What the check of a plugin finds wrong with it."""

from __future__ import annotations

from agent.errors.base import AgentError

CHECK = "chainwright plugins check NAME"


class CheckFault(AgentError):
    """A plugin does what its contract does not allow, or its module does not come through a deployment."""

    code = "check"
    where = "{place}"
    fix = f"Correct it in the plugin, then: {CHECK}"


class HookActs(CheckFault):
    """A hook does input or output."""

    code = "check.hook_acts"
    cause = "{hook} {what}: a hook declares, and does no input or output."
    fix = f"Return a Command, a file or an Endpoint, which the core runs, writes or looks at, then: {CHECK}"
    hook: str
    what: str
    place: str


class HookSlow(CheckFault):
    """A hook computes for so long that a pass is held up by it."""

    code = "check.hook_slow"
    cause = "{hook} computed for {seconds:number} s: it is asked in each pass, for every module."
    fix = f"Do that work once, where the settings are validated, or in a command, then: {CHECK}"
    hook: str
    seconds: float
    place: str


class AnswerChanges(CheckFault):
    """A hook answers differently when it is asked twice."""

    code = "check.answer_changes"
    cause = "{hook} answered differently when it was asked twice for the same."
    fix = f"Let the answer depend on settings and arguments alone: no clock, nothing random, no order of a set, then: {CHECK}"
    hook: str
    place: str


class RenderingChanges(CheckFault):
    """A file is rendered differently the second time: each pass would deploy it again."""

    code = "check.rendering_changes"
    cause = 'The file "{path}" was rendered differently the second time; line {line} was {before:quoted}, then {after:quoted}.'
    fix = f"Render nothing that changes by itself: no time, nothing random, no order of a set, then: {CHECK}"
    path: str
    line: int
    before: str
    after: str
    place: str


class KeyRendered(CheckFault):
    """The text of a file has a private key in it."""

    code = "check.key_rendered"
    cause = 'The text of the file "{path}" has a private key in it.'
    fix = f"Declare a ChainFile with Part.KEY, which the core writes with the right mode and never shows, then: {CHECK}"
    path: str
    place: str


class SlotUnseen(CheckFault):
    """A slot has no endpoint, and nothing else shows what is served of it."""

    code = "check.slot_unseen"
    cause = 'probes names no endpoint of the slot "{slot}", and nothing else shows what is served of it.'
    fix = f'Return an Endpoint with slot="{{slot}}", or set "unprobed" to the reason why nothing can be seen, then: {CHECK}'
    slot: str
    place: str


class PathOutside(CheckFault):
    """A path is not below the appliance's root: with --root it would be one of the machine's."""

    code = "check.path_outside"
    cause = "{hook} names {path}, which is not below the root of this appliance."
    fix = f"Use context.places.run, or context.places.rooted(PATH) for a path of the settings, then: {CHECK}"
    hook: str
    path: str
    place: str


class ModeOpened(CheckFault):
    """A file of a generation has another mode than was declared: a command of the plugin has changed it."""

    code = "check.mode_opened"
    cause = 'The file "{path}" was declared with the mode {declared}, and has {found} after the deployment.'
    fix = f"Declare the mode that the service needs, and change none in prepare_command, then: {CHECK}"
    path: str
    declared: str
    found: str
    place: str


class LeftBehind(CheckFault):
    """Something is left on disk of a module that was taken out."""

    code = "check.left_behind"
    cause = "{path} is still there after the module was taken out."
    fix = f"Write nothing outside of the generation in prepare_command; publish what has to be elsewhere, then: {CHECK}"
    path: str
    place: str


class DeploymentDiffers(CheckFault):
    """A module is not in the state in which it should be after a part of its life was played."""

    code = "check.deployment_differs"
    cause = "{module} is {outcome} {when}, not {expected}{why:?: %}"
    fix = f"Correct what that names, then: {CHECK}"
    module: str
    outcome: str
    when: str
    expected: str
    reason: str
    place: str

    @property
    def why(self) -> str:
        """What the deployment was refused with."""
        return self.reason or "nothing says why."


class SourceFault(CheckFault):
    """A source answers, or delivers, what can't be used."""

    code = "check.source"
    cause = "{hook} of the source {source} {what}."
    source: str
    hook: str
    what: str
    place: str


class CallFailed(CheckFault):
    """A method that may act raised when it was tried."""

    code = "check.call_failed"
    cause = "{method} failed: {error:reason}."
    method: str
    error: BaseException
    place: str


class NothingToCheck(CheckFault):
    """A plugin contributes nothing that works."""

    code = "check.nothing"
    cause = "It registers nothing, and implements no hook."
    fix = f"Mark what it contributes with @hookimpl, then: {CHECK}"
    place: str
