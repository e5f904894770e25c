from pathlib import Path

import pytest

from chainwright import AgentError
from plugins.webui import errors

LIVE = Path("/var/lib/chainwright/modules/webui/live")
SEVEN = LIVE.with_name("7")

EXAMPLES: list[tuple[AgentError, str]] = [
    (
        errors.NoGeneration(LIVE),
        (
            "/var/lib/chainwright/modules/webui/live: The web interface has no generation to serve.\n"
            "Run `chainwright apply` to deploy the web interface."
        ),
    ),
    (
        errors.FileUnreadable(SEVEN / "name/key.pem", "Permission denied"),
        (
            "/var/lib/chainwright/modules/webui/7/name/key.pem: "
            "This file of the generation cannot be read: Permission denied.\n"
            "Run `chainwright apply` to deploy the web interface again. "
            "It must run as the user that it is deployed for."
        ),
    ),
    (
        errors.ManifestMalformed(SEVEN / "generation.json", '"slots" is missing or is not an object'),
        (
            "/var/lib/chainwright/modules/webui/7/generation.json: "
            'The generation is not described rightly: "slots" is missing or is not an object.\n'
            "Run `chainwright apply` to deploy the web interface again."
        ),
    ),
    (
        errors.CertificateRefused(SEVEN / "name/fullchain.pem", "ee key too small"),
        (
            "/var/lib/chainwright/modules/webui/7/name/fullchain.pem: "
            "This certificate cannot be served: ee key too small.\n"
            "Run `chainwright apply` to deploy the web interface again."
        ),
    ),
    (
        errors.KeyUnusable(SEVEN / "name/key.pem"),
        (
            "/var/lib/chainwright/modules/webui/7/name/key.pem: This is not an unencrypted private key in PEM.\n"
            "Run `chainwright apply` to deploy the web interface again."
        ),
    ),
    (
        errors.KeyMismatch(SEVEN / "name/key.pem", SEVEN / "name/fullchain.pem"),
        (
            "/var/lib/chainwright/modules/webui/7/name/key.pem: This private key does not belong to the first "
            "certificate in /var/lib/chainwright/modules/webui/7/name/fullchain.pem.\n"
            "Run `chainwright apply` to deploy the web interface again."
        ),
    ),
    (
        errors.CannotListen("127.0.0.1:8443", "Address already in use"),
        (
            "127.0.0.1:8443: The web interface cannot listen here: Address already in use.\n"
            "Stop what holds the port, or choose another address or port in [modules.webui]."
        ),
    ),
    (
        errors.PidFileUnwritable(Path("/run/chainwright/webui/pid"), "No such file or directory"),
        (
            "/run/chainwright/webui/pid: The pid file, which the agent needs to announce a new chain, "
            "cannot be written: No such file or directory.\n"
            "Let the web interface's user write to /run/chainwright/webui."
        ),
    ),
    (
        errors.TemplateBroken("/etc/chainwright/templates/webui/certificates.html.j2", "line 3: unexpected '}'"),
        (
            "/etc/chainwright/templates/webui/certificates.html.j2: "
            "This template of the web interface does not render: line 3: unexpected '}'.\n"
            "The page answers with status 500; TLS is not affected. "
            "Correct it, or remove it to get the built-in one."
        ),
    ),
    (
        errors.AgentSilent("connection refused"),
        (
            "The agent is not answering: connection refused.\n"
            "What is served goes on being served. Look at it on the appliance: systemctl status chainwright"
        ),
    ),
    (
        errors.FromElsewhere(),
        (
            "This was not asked for by a page of this web interface, so nothing was changed.\n"
            "Open the page here and try again."
        ),
    ),
    (
        errors.OnlyForAdmins("guest"),
        '"guest" may only look, and this needs the role admin.\nLog in as somebody who has it.',
    ),
    (
        errors.FormStale(),
        ("The form was made for a session that has ended, so nothing was changed.\nLoad the page again and repeat it."),
    ),
    (
        errors.FormMalformed("a part has no name"),
        "What was sent is not a form: a part has no name.\nOpen the page here and try again.",
    ),
    (
        errors.FormTooLarge(2 * 2**20),
        "That is more than 2 MiB.\nChoose the files of one chain: they have a few thousand octets.",
    ),
    (errors.FormTooSlow(30.0), "The form did not come within 30 seconds.\nSend it again."),
    (
        errors.PageFailed(),
        (
            "The web interface made a mistake when it made this page.\n"
            "What is served is not touched. Its log says which: journalctl -u chainwright-web. Please report it."
        ),
    ),
    (
        errors.UploadForgotten(),
        "What was looked at is not kept any more; nothing was saved.\nChoose the files again.",
    ),
]


@pytest.mark.parametrize(("error", "message"), EXAMPLES, ids=[error.code for error, _ in EXAMPLES])
def test_the_message_is_whole(error: AgentError, message: str) -> None:
    assert str(error) == message


def test_every_class_has_an_example() -> None:
    concrete = set(errors.WebUIError.__subclasses__())
    assert {type(error) for error, _ in EXAMPLES} == concrete
    assert len({kind.code for kind in concrete}) == len(concrete)
