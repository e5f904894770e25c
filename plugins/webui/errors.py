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

    def __init__(self, live: Path) -> None:
        super().__init__("The web interface has no generation to serve.", where=str(live), fix=_DEPLOY)


class FileUnreadable(WebUIError):
    """A file of the generation is missing, or this user may not read it."""

    code = "webui.file_unreadable"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"This file of the generation cannot be read: {reason}.",
            where=str(path),
            fix=f"{_DEPLOY_AGAIN} It must run as the user that it is deployed for.",
        )


class ManifestMalformed(WebUIError):
    """``generation.json`` does not say what to serve."""

    code = "webui.manifest_malformed"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"The generation is not described rightly: {reason}.", where=str(path), fix=_DEPLOY_AGAIN)


class CertificateRefused(WebUIError):
    """OpenSSL does not accept the file as a server's certificates."""

    code = "webui.certificate_refused"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"This certificate cannot be served: {reason}.", where=str(path), fix=_DEPLOY_AGAIN)


class KeyUnusable(WebUIError):
    """The key file holds no unencrypted private key in PEM."""

    code = "webui.key_unusable"

    def __init__(self, path: Path) -> None:
        super().__init__("This is not an unencrypted private key in PEM.", where=str(path), fix=_DEPLOY_AGAIN)


class KeyMismatch(WebUIError):
    """The key belongs to another certificate."""

    code = "webui.key_mismatch"

    def __init__(self, key: Path, certificate: Path) -> None:
        super().__init__(
            f"This private key does not belong to the first certificate in {certificate}.",
            where=str(key),
            fix=_DEPLOY_AGAIN,
        )


class CannotListen(WebUIError):
    """The address is taken, not ours, or needs more rights."""

    code = "webui.cannot_listen"

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(
            f"The web interface cannot listen here: {reason}.",
            where=address,
            fix="Stop what holds the port, or choose another address or port in [modules.webui].",
        )


class PidFileUnwritable(WebUIError):
    """The agent could not find the process to tell it of a new generation."""

    code = "webui.pid_file_unwritable"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"The pid file, which the agent needs to announce a new chain, cannot be written: {reason}.",
            where=str(path),
            fix=f"Let the web interface's user write to {path.parent}.",
        )


class TemplateBroken(WebUIError):
    """A page's template is missing or does not render."""

    code = "webui.template_broken"

    def __init__(self, template: str, reason: str) -> None:
        super().__init__(
            f"This template of the web interface does not render: {reason}.",
            where=template,
            fix="Correct it, or remove it to get the built-in one.",
            effect="The page answers with status 500; TLS is not affected.",
        )


class AgentSilent(WebUIError):
    """The agent's API can't be reached, or does not answer."""

    code = "webui.agent_silent"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The agent is not answering: {reason}.",
            fix="Look at it on the appliance: systemctl status chainwright",
            effect="What is served goes on being served.",
        )


class FromElsewhere(WebUIError):
    """Another site's page asked for a change; or a browser that does not say where the form stood."""

    code = "webui.from_elsewhere"

    def __init__(self) -> None:
        super().__init__(
            "This was not asked for by a page of this web interface, so nothing was changed.",
            fix="Open the page here and try again.",
        )


class OnlyForAdmins(WebUIError):
    """A form that leads to a change, for somebody who may only look."""

    code = "webui.only_for_admins"

    def __init__(self, user: str) -> None:
        super().__init__(
            f'"{user}" may only look, and this needs the role admin.', fix="Log in as somebody who has it."
        )


class FormStale(WebUIError):
    """The form belongs to another session."""

    code = "webui.form_stale"

    def __init__(self) -> None:
        super().__init__(
            "The form was made for a session that has ended, so nothing was changed.",
            fix="Load the page again and repeat it.",
        )


class FormMalformed(WebUIError):
    """What was sent is no form."""

    code = "webui.form_malformed"

    def __init__(self, reason: str) -> None:
        super().__init__(f"What was sent is not a form: {reason}.", fix="Open the page here and try again.")


class FormTooLarge(WebUIError):
    """More octets than a form may have."""

    code = "webui.form_too_large"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"That is more than {limit // 2**20} MiB.",
            fix="Choose the files of one chain: they have a few thousand octets.",
        )


class FormTooSlow(WebUIError):
    """The whole form did not come in time."""

    code = "webui.form_too_slow"

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The form did not come within {seconds:.0f} seconds.", fix="Send it again.")


class PageFailed(WebUIError):
    """A mistake of the program. What it was stands in the log, and not here: it might name anything."""

    code = "webui.failed"

    def __init__(self) -> None:
        super().__init__(
            "The web interface made a mistake when it made this page.",
            fix="Its log says which: journalctl -u chainwright-web. Please report it.",
            effect="What is served is not touched.",
        )


class UploadForgotten(WebUIError):
    """What was previewed is not kept for long, and not beyond the end of the process."""

    code = "webui.upload_forgotten"

    def __init__(self) -> None:
        super().__init__("What was looked at is not kept any more; nothing was saved.", fix="Choose the files again.")
