import pytest

from agent.errors import AgentError
from agent.errors.settings import SettingsProblem, SettingsRefused

MAIN = "/etc/chainwright/chainwright.toml"
PORT = SettingsProblem(MAIN, "modules.mail", "port", "must be at most 65535")
WHOLE_TABLE = SettingsProblem(
    MAIN, "modules.mial", "", 'no plugin is named "mial"; did you mean "mail"? Installed: mail'
)
TOP = SettingsProblem(MAIN, "", "sources", 'must be a list, for example ["a", "b"]')
FILE = SettingsProblem("/etc/chainwright/conf.d/a.toml", "", "", "line 3, column 5: expected '=' after a key")

END = "The agent keeps the settings that it has. Correct the settings, then: chainwright config check"

EXAMPLES: list[tuple[AgentError, str]] = [
    (
        SettingsRefused([PORT]),
        f"There is an error in the settings:\n  {MAIN}: [modules.mail] port: must be at most 65535.\n{END}",
    ),
    (
        SettingsRefused([PORT, WHOLE_TABLE, TOP, FILE]),
        (
            "There are 4 errors in the settings:\n"
            f"  {MAIN}: [modules.mail] port: must be at most 65535.\n"
            f'  {MAIN}: [modules.mial]: no plugin is named "mial"; did you mean "mail"? Installed: mail.\n'
            f'  {MAIN}: sources: must be a list, for example ["a", "b"].\n'
            "  /etc/chainwright/conf.d/a.toml: line 3, column 5: expected '=' after a key.\n"
            f"{END}"
        ),
    ),
]


@pytest.mark.parametrize(("error", "message"), EXAMPLES, ids=lambda value: getattr(value, "code", ""))
def test_the_whole_message(error: AgentError, message: str):
    assert str(error) == message


def test_each_error_is_kept_as_data():
    error = SettingsRefused([PORT, FILE])
    assert [each.to_json() for each in error.errors] == [
        {"file": MAIN, "table": "modules.mail", "key": "port", "cause": "must be at most 65535"},
        {
            "file": "/etc/chainwright/conf.d/a.toml",
            "table": "",
            "key": "",
            "cause": "line 3, column 5: expected '=' after a key",
        },
    ]
    assert error.code == "settings.refused"
