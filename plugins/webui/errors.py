"""What can go wrong in the web interface's own process.

Raised at the start, they end it; raised by a reload, they are logged and the generation in service stays.
"""

from __future__ import annotations

from pathlib import Path

from chainwright import AgentError

_DEPLOY = "Run `chainwright apply` to deploy the web interface."
_DEPLOY_AGAIN = "Run `chainwright apply` to deploy the web interface again."


class WebUIError(AgentError):
    """The family of the web interface's process."""

    code = "webui"


class NoGeneration(WebUIError):
    """Nothing has been deployed yet."""

    code = "webui.no_generation"
    cause = "The web interface has no generation to serve."
    where = "{live}"
    fix = _DEPLOY
    live: Path


class GenerationFileUnreadable(WebUIError):
    """A file of the generation is missing, or this user may not read it."""

    code = "webui.file_unreadable"
    cause = "This file of the generation cannot be read: {reason}."
    where = "{path}"
    fix = f"{_DEPLOY_AGAIN} It must run as the user that it is deployed for."
    path: Path
    reason: str


class ManifestMalformed(WebUIError):
    """``generation.json`` does not say what to serve."""

    code = "webui.manifest_malformed"
    cause = "The description of the generation is malformed: {reason}."
    where = "{path}"
    fix = _DEPLOY_AGAIN
    path: Path
    reason: str


class CertificateRefused(WebUIError):
    """OpenSSL does not accept the file as a server's certificates."""

    code = "webui.certificate_refused"
    cause = "This certificate cannot be served: {reason}."
    where = "{path}"
    fix = _DEPLOY_AGAIN
    path: Path
    reason: str


class KeyUnusable(WebUIError):
    """The key file holds no unencrypted private key in PEM."""

    code = "webui.key_unusable"
    cause = "This is not an unencrypted private key in PEM."
    where = "{path}"
    fix = _DEPLOY_AGAIN
    path: Path


class ServerKeyMismatch(WebUIError):
    """The key belongs to another certificate."""

    code = "webui.key_mismatch"
    cause = "This private key does not belong to the first certificate in {certificate}."
    where = "{key}"
    fix = _DEPLOY_AGAIN
    key: Path
    certificate: Path


class CannotListen(WebUIError):
    """The address is taken, not ours, or needs more rights."""

    code = "webui.cannot_listen"
    cause = "The web interface cannot listen here: {reason}."
    where = "{address}"
    fix = "Stop what holds the port, or choose another address or port in [modules.webui]."
    address: str
    reason: str


class PidFileUnwritable(WebUIError):
    """The agent could not find the process to tell it of a new generation."""

    code = "webui.pid_file_unwritable"
    cause = "The pid file, which the agent needs to announce a new chain, cannot be written: {reason}."
    where = "{path}"
    fix = "Let the web interface's user write to {path.parent}."
    path: Path
    reason: str


class TemplateBroken(WebUIError):
    """A page's template is missing or does not render."""

    code = "webui.template_broken"
    cause = "This template of the web interface does not render: {reason}."
    where = "{template}"
    effect = "The page answers with status 500; TLS is not affected."
    fix = "Correct it, or remove it to get the built-in one."
    template: str
    reason: str


class AgentSilent(WebUIError):
    """The agent's API can't be reached, or does not answer."""

    code = "webui.agent_silent"
    cause = "The agent is not answering: {reason}."
    effect = "What is served is not touched."
    fix = "Look at it on the appliance: systemctl status chainwright, or rc-service chainwright status"
    reason: str


class FromElsewhere(WebUIError):
    """Another site's page asked for a change; or a browser that does not say where the form was."""

    code = "webui.from_elsewhere"
    cause = "This was not asked for by a page of this web interface, so nothing was changed."
    fix = "Open the page here and try again."


class OnlyForAdmins(WebUIError):
    """A form that leads to a change, for somebody who may only look."""

    code = "webui.only_for_admins"
    cause = '"{user}" may only look, and this needs the role admin.'
    fix = "Log in as somebody who has it."
    user: str


class FormStale(WebUIError):
    """The form belongs to another session."""

    code = "webui.form_stale"
    cause = "The form was made for a session that has ended, so nothing was changed."
    fix = "Load the page again and repeat it."


class FormMalformed(WebUIError):
    """What was sent is no form."""

    code = "webui.form_malformed"
    cause = "What was sent is not a form: {reason}."
    fix = "Open the page here and try again."
    reason: str


class FormTooLarge(WebUIError):
    """More bytes than a form may have."""

    code = "webui.form_too_large"
    cause = "That is more than {size} MiB."
    fix = "Choose the files of one chain: they have a few thousand bytes."
    limit: int

    @property
    def size(self) -> str:
        """The limit in MiB."""
        return str(self.limit // 2**20)


class FormUnexpected(WebUIError):
    """A large form of somebody who has not logged in."""

    code = "webui.form_before_login"
    cause = "That is more than {limit:number} bytes, and you have not logged in."
    fix = "Log in, then send it again."
    limit: int


class TooManyForms(WebUIError):
    """So much is being sent that one more would take too much memory."""

    code = "webui.busy"
    cause = "Too much is being sent to the web interface at the same time, so nothing was changed."
    fix = "Send it again in a few seconds."


class FormTooSlow(WebUIError):
    """The whole form did not come in time."""

    code = "webui.form_too_slow"
    cause = "The form came too slowly: it was not complete after {seconds:number} seconds."
    fix = "Send it again."
    seconds: float


class PageFailed(WebUIError):
    """A mistake of the program. The log says which; the page doesn't, because it might name anything."""

    code = "webui.failed"
    cause = "Internal error: the web interface could not make this page."
    effect = "What is served is not touched."
    fix = "See its log: journalctl -u chainwright-web, or without systemd the files in /var/log/chainwright. Please report it."


class UploadForgotten(WebUIError):
    """What was previewed is not kept for long, and not beyond the end of the process."""

    code = "webui.upload_forgotten"
    cause = "The upload that was previewed is no longer kept; nothing was saved."
    fix = "Choose the files again."
