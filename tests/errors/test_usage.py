import pytest

from agent.errors import AgentError
from agent.errors.usage import (
    AmbiguousId,
    CommandLineWrong,
    FileUnreadable,
    FileUnwritable,
    ModuleUnusable,
    NotConfirmed,
    PassphraseNeeded,
    PasswordNeeded,
    Unexpected,
    UnknownChain,
    UnknownCommand,
    UnknownFile,
    UnknownModule,
    UnknownSlot,
)

MANY = [f"module{number}" for number in range(10)]
DEBUG = "Put --debug right after chainwright to see the traceback, and report it."

EXAMPLES: list[tuple[AgentError, str]] = [
    (
        PasswordNeeded("ann"),
        (
            'There is no terminal on which the new password of "ann" could be typed.\n'
            "In scripts, give it on standard input and add --stdin."
        ),
    ),
    (
        CommandLineWrong("No such option: --waitt.", "chainwright apply"),
        "No such option: --waitt.\nSee: chainwright apply --help",
    ),
    (
        UnknownCommand("statsu", ["status", "apply"]),
        'There is no command "statsu". Did you mean "status"?\nSee: chainwright --help',
    ),
    (
        UnknownCommand("x\x1b[2J", ["status"], "chainwright root"),
        'There is no command "x\\x1b[2J".\nSee: chainwright root --help',
    ),
    (
        UnknownModule("mial", ["mail", "web"]),
        'There is no module "mial" in the settings. Did you mean "mail"?\nModules: mail, web',
    ),
    (
        UnknownModule("vpn", MANY),
        (
            'There is no module "vpn" in the settings.\n'
            "Modules: module0, module1, module2, module3, module4, module5, module6, module7 and 2 more"
        ),
    ),
    (
        UnknownModule("mail", []),
        'There is no module "mail" in the settings.\nName one in the settings: [modules.mail]',
    ),
    (
        UnknownSlot("webui", "nam", ["name", "address"]),
        'webui has no slot "nam". Did you mean "name"?\nSlots: address, name',
    ),
    (
        UnknownSlot("web", "a", []),
        'web has no slot "a".\nIt asks for no chain at all: chainwright explain web',
    ),
    (
        ModuleUnusable("mail", "it is disabled"),
        "[modules.mail]: mail can't be asked: it is disabled.\nSee: chainwright plugins",
    ),
    (
        UnknownChain("www.exmple.test", ["www.example.test"]),
        (
            'There is no chain for "www.exmple.test", and none whose id begins so. Did you mean "www.example.test"?\n'
            "See all names: chainwright status"
        ),
    ),
    (
        AmbiguousId("ab", ["ab" + "2" * 62, "ab" + "1" * 62]),
        'The ids of 2 chains begin with "ab".\nWrite more of it: ab11111111111111, ab22222222222222',
    ),
    (
        UnknownFile("mail", "mail.cnf", ["mail.conf"]),
        'mail has no file "mail.cnf". Did you mean "mail.conf"?\nFiles: mail.conf',
    ),
    (UnknownFile("mail", "x", []), 'mail has no file "x".\nSee: chainwright render mail'),
    (
        FileUnwritable("/srv/root.pem", "permission denied"),
        "/srv/root.pem: The file can't be written: permission denied.\nChoose another place: --out FILE",
    ),
    (
        FileUnreadable("shop.pem", "no such file or directory"),
        "shop.pem: The file can't be read: no such file or directory.\nCheck its name and its mode.",
    ),
    (
        PassphraseNeeded(),
        "A PKCS#12 file with a key needs a passphrase.\nWrite it to a file of mode 0600 and add --passphrase-file FILE.",
    ),
    (
        NotConfirmed("--yes-reissue-root"),
        "This needs confirmation; nothing was changed.\nIn scripts: --yes-reissue-root",
    ),
    (
        Unexpected(ValueError("a\n  b.")),
        f"An unexpected error: ValueError: a b.\n{DEBUG}",
    ),
    (Unexpected(KeyError()), f"An unexpected error: KeyError.\n{DEBUG}"),
]


@pytest.mark.parametrize(("error", "message"), EXAMPLES, ids=lambda value: getattr(value, "code", ""))
def test_the_whole_message(error: AgentError, message: str):
    assert str(error) == message
