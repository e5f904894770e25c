import pytest
from pydantic import BaseModel, ValidationError

from agent.errors import AgentError
from agent.errors.plugin import (
    CommandsFailed,
    DeclarationRefused,
    DropInRefused,
    DuplicateName,
    HookMisplaced,
    HookUndecorated,
    ImportFailed,
    Incomplete,
    ModuleMissing,
    ModuleRaised,
    NotAContribution,
    ObserverRaised,
    RegistrationFailed,
    ServiceUnknown,
    UnknownArgument,
    UnknownHook,
)

WHO = ("mail", "chainwright-mail 1.2")
WHERE = 'plugin "mail" (chainwright-mail 1.2): '
OFF = "\nIt is disabled, everything else goes on. "
LIST = ", then: chainwright plugins"
STAYS = "\nWhat this module serves stays, the others go on. "

EXAMPLES: list[tuple[AgentError, str]] = [
    (
        ImportFailed(*WHO, ModuleNotFoundError("No module named 'postfix'")),
        (
            f"{WHERE}Its import failed: ModuleNotFoundError: No module named 'postfix'.{OFF}"
            f"Install what it lacks, or update it{LIST}"
        ),
    ),
    (
        ImportFailed(*WHO, SystemExit(3)),
        (
            f"{WHERE}Its import failed: it wanted to end the process (SystemExit).{OFF}"
            f"Install what it lacks, or update it{LIST}"
        ),
    ),
    (
        RegistrationFailed(*WHO, "register_modules", KeyError()),
        f"{WHERE}Its register_modules failed: KeyError.{OFF}Correct or update it{LIST}",
    ),
    (
        CommandsFailed(*WHO, TypeError("no\nwhere")),
        (
            f"{WHERE}Its register_commands failed: TypeError: no.\n"
            f"Its commands are missing, its modules go on. Correct or update it{LIST}"
        ),
    ),
    (
        UnknownHook(*WHO, "register_module", "register_modules"),
        (
            f'{WHERE}There is no hook "register_module"; did you mean "register_modules"?{OFF}'
            f"Correct its name in the plugin{LIST}"
        ),
    ),
    (
        UnknownHook(*WHO, "xyz", None),
        f'{WHERE}There is no hook "xyz".{OFF}Correct its name in the plugin{LIST}',
    ),
    (
        UnknownArgument(*WHO, "consequences_of", "delta", ("change", "observed")),
        (
            f'{WHERE}The hook consequences_of has no argument "delta": it has change, observed.{OFF}'
            f"Correct it in the plugin{LIST}"
        ),
    ),
    (
        UnknownArgument(*WHO, "register_modules", "agent", ()),
        f'{WHERE}The hook register_modules has no argument "agent": it has none.{OFF}Correct it in the plugin{LIST}',
    ),
    (
        HookMisplaced(*WHO, "register_modules", "a module", "Move it to the top level of the plugin"),
        f"{WHERE}The hook register_modules is never asked of a module.{OFF}Move it to the top level of the plugin{LIST}",
    ),
    (
        HookUndecorated(*WHO, "Mail", "declare_needs", "needs"),
        (
            f"{WHERE}Mail.declare_needs overrides a hook without @hookimpl, so it would never be asked.{OFF}"
            f'Rename it to "needs"{LIST}'
        ),
    ),
    (
        NotAContribution(*WHO, "register_modules", "a list with str", "Module"),
        (
            f"{WHERE}Its register_modules returned a list with str, not a list of subclasses of Module.{OFF}"
            f"Correct or update it{LIST}"
        ),
    ),
    (
        Incomplete(*WHO, "module", "Mail", ("it has no name", 'it has no "needs"')),
        f'{WHERE}The module Mail is incomplete: it has no name; it has no "needs".{OFF}Complete it{LIST}',
    ),
    (
        DuplicateName(*WHO, "module", "mail", "post (/etc/chainwright/plugins/post.py)"),
        (
            f'{WHERE}The module "mail" is already registered by post (/etc/chainwright/plugins/post.py).{OFF}'
            f"Remove one of the two{LIST}"
        ),
    ),
    (
        ServiceUnknown(*WHO, "mail", "postfix", ["nginx"]),
        (
            f'{WHERE}The module "mail" uses the service "postfix", which no loaded plugin registers; registered: nginx.{OFF}'
            f'Name the plugin that registers it in plugins = ["NAME"]{LIST}'
        ),
    ),
    (
        ServiceUnknown(*WHO, "mail", "postfix", []),
        (
            f'{WHERE}The module "mail" uses the service "postfix", which no loaded plugin registers; registered: none.{OFF}'
            f'Name the plugin that registers it in plugins = ["NAME"]{LIST}'
        ),
    ),
    (
        DropInRefused("/etc/chainwright/plugins/mail.py", "every user can write to it (mode 0666)", "chmod go-w FILE"),
        (
            "/etc/chainwright/plugins/mail.py: The drop-in plugin is not loaded: every user can write to it (mode 0666)."
            f"{OFF}Look at its content, then: chmod go-w FILE"
        ),
    ),
    (
        ModuleMissing("post", "mail", ["bundle", "other"]),
        (
            'post: No working plugin registers the module "mail"; broken: bundle, other.'
            f"{OFF}See what is broken: chainwright plugins"
        ),
    ),
    (
        ModuleRaised("mail", "declare_needs", ZeroDivisionError("division by zero")),
        (
            f"mail: The plugin failed in declare_needs: ZeroDivisionError: division by zero.{STAYS}"
            "Correct its settings, or update the plugin; chainwright plugins names its distribution."
        ),
    ),
    (
        DeclarationRefused("mail", "declare_needs", 'it has the slot "smtp" twice'),
        (
            f"mail: The plugin's answer to declare_needs can't be used: it has the slot \"smtp\" twice.{STAYS}"
            "Update the plugin; chainwright plugins names its distribution."
        ),
    ),
    (
        ObserverRaised("plugin slack", "deployed", OSError(113, "No route to host")),
        (
            'plugin slack: It failed on the event "deployed": OSError: [Errno 113] No route to host.\n'
            "The agent goes on. Correct or update it; chainwright plugins names its distribution."
        ),
    ),
]


@pytest.mark.parametrize(("error", "message"), EXAMPLES, ids=lambda value: getattr(value, "code", ""))
def test_the_whole_message(error: AgentError, message: str):
    assert str(error) == message


def test_the_detail_is_the_place_in_the_plugin():
    with pytest.raises(ValueError, match="invalid literal") as raised:
        _fail()
    detail = ModuleRaised("mail", "declare_needs", raised.value).problem.detail
    assert detail.endswith(f', line {_fail.__code__.co_firstlineno + 1}, in _fail: int("x")')
    assert detail.startswith(f'File "{__file__}"')


def test_values_that_pydantic_would_quote_are_not_shown():
    class Login(BaseModel):
        password: int

    with pytest.raises(ValidationError) as raised:
        Login.model_validate({"password": "hunter2"})
    error = ModuleRaised("mail", "declare_needs", raised.value)
    assert "hunter2" not in str(error)
    assert "password: Input should be a valid integer" in str(error)


def _fail() -> None:
    int("x")
