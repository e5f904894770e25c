import pytest

from agent.errors import AgentError
from agent.errors.deploy import (
    ChainGone,
    CheckRefused,
    DiskFailed,
    FileDamaged,
    OwnerUnknown,
    PreflightRefused,
    PrepareFailed,
    PublishOccupied,
    ReloadFailed,
    RollbackFailed,
    ServiceDown,
    ServiceRefusesPresent,
    TemplateRefused,
)

SERVED = "What was served is still served."
OUTPUT = "nginx: [emerg] unknown directive\nnginx: configuration file test failed\n"

EXAMPLES: list[tuple[AgentError, str]] = [
    (
        TemplateRefused("/etc/chainwright/templates/nginx/site.conf.j2, line 7", "'prot' is undefined"),
        (
            "/etc/chainwright/templates/nginx/site.conf.j2, line 7: The template can't be rendered: 'prot' is undefined.\n"
            f"{SERVED} Correct or remove the template, then: chainwright apply"
        ),
    ),
    (
        PreflightRefused("mail/default", "the chain does not cover mail.example.test"),
        (
            "mail/default: The staged files would break the service: the chain does not cover mail.example.test.\n"
            f"{SERVED} Look at the chain: chainwright show, then: chainwright apply"
        ),
    ),
    (
        PrepareFailed("mail", "postmap sni", "cannot open sni: no such file.", OUTPUT),
        (
            'mail: "postmap sni" failed: cannot open sni: no such file.\n'
            f"{SERVED} Correct what it names, then: chainwright apply"
        ),
    ),
    (
        CheckRefused("nginx", "nginx -t", "nginx: [emerg] unknown directive", OUTPUT),
        (
            'nginx: "nginx -t" refused the new configuration: nginx: [emerg] unknown directive.\n'
            f"{SERVED} Correct the setting or template that it names, then: chainwright apply"
        ),
    ),
    (
        ServiceRefusesPresent("nginx", "nginx -t", "cannot load module:", OUTPUT),
        (
            'nginx: "nginx -t" refuses even the configuration that is in service: cannot load module.\n'
            "Nothing was changed. Correct the service's own files, then: chainwright apply"
        ),
    ),
    (
        ReloadFailed("nginx", "nginx -s reload", "exit code 1", OUTPUT),
        (
            'nginx: The reload failed ("nginx -s reload"): exit code 1.\n'
            "The previous generation was put back. Look at the service's log, then: chainwright renew"
        ),
    ),
    (
        ServiceDown("nginx", "nobody listens at its endpoints"),
        (
            "nginx: The service can't be reloaded: nobody listens at its endpoints.\n"
            "The new files are in place for its start. Start or install the service; the next pass looks again."
        ),
    ),
    (
        RollbackFailed("mail", "The endpoint gives no proper answer: nobody listens there."),
        (
            "mail: Neither the new generation nor the previous one is seen to be served: "
            "The endpoint gives no proper answer: nobody listens there.\n"
            "The service may be down. Look at the service's log and restart it, then: chainwright renew"
        ),
    ),
    (
        FileDamaged("mail", "/var/lib/chainwright/modules/mail/7/mail.pem"),
        (
            "mail: The file /var/lib/chainwright/modules/mail/7/mail.pem is no longer what the agent wrote.\n"
            "The agent writes it again by itself; settings and templates are the places for changes."
        ),
    ),
    (
        OwnerUnknown("group", "mail-keys"),
        (
            'staging: There is no group "mail-keys" on this machine.\n'
            f"{SERVED} Create it, or name another one in the settings; "
            '"adduser --system --group mail-keys" makes both.'
        ),
    ),
    (
        PublishOccupied("/etc/ipsec.d/private/gw.pem"),
        (
            "/etc/ipsec.d/private/gw.pem: The administrator's own file stands where a file of the agent belongs; "
            "it is not overwritten.\n"
            f"{SERVED} Move it away, then: chainwright apply"
        ),
    ),
    (
        DiskFailed("/var/lib/chainwright/modules/mail/7", "no space left on device"),
        (
            "/var/lib/chainwright/modules/mail/7: A file can't be written: no space left on device.\n"
            f"{SERVED} Make room or check the disk, then: chainwright apply"
        ),
    ),
    (
        ChainGone("c" * 64),
        (
            "staging: The chain cccccccccccc has been deleted.\n"
            f"{SERVED} Let the agent choose another one: chainwright apply"
        ),
    ),
]


@pytest.mark.parametrize(("error", "message"), EXAMPLES, ids=lambda value: getattr(value, "code", ""))
def test_the_whole_message(error: AgentError, message: str):
    assert str(error) == message


def test_what_the_service_printed_is_kept_whole_beside_the_sentence():
    with_output = [error for error, _ in EXAMPLES if error.problem.detail]
    assert {type(error).__name__ for error in with_output} == {
        "PrepareFailed",
        "CheckRefused",
        "ServiceRefusesPresent",
        "ReloadFailed",
    }
    assert {error.problem.detail for error in with_output} == {OUTPUT}
