"""The check of plugins that are no modules: sources, DNS solvers, notifiers, observers, policies, and what can't be loaded."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from agent.testing.check import check
from chainwright import DnsSolver, hookimpl
from chainwright.testing import PluginFaulty, check_plugin
from support.checked_plugins import IMPORTS, told, written
from support.paths import THIRD_PARTY

SOURCE = """\
class Vault(Source):
    '''A vault.'''

    name = "vault"

    def offers(self, request, state):
        return Offer(serves=True)

    def due(self, request, state, now):
        return Due(at=now, reason="always")

    def obtain(self, request, context):
        context.save({"order": "7"})
        return context.issue(request, timedelta(days=30))

"""
RULE = """\


class Rule(PluginSettings):
    modules: tuple[str, ...]


@hookimpl
def register_settings():
    return Rule
"""
SOURCES = """\

@hookimpl
def register_sources():
    return [Vault]
"""


def source(directory: Path, body: str) -> Path:
    lines = "".join(f"    {line}\n" if line else "\n" for line in body.splitlines())
    return written(directory, f"{IMPORTS}{SOURCE}{lines}{SOURCES}", "vault")


def plugin(directory: Path, text: str, name: str = "other") -> Path:
    return written(directory, IMPORTS + text, name)


def test_a_source_is_killed_after_each_state_that_it_saves_and_goes_on(tmp_path: Path):
    report = check(source(tmp_path, ""))
    assert report.lines() == ['The plugin "vault" is good: 5 checks.']
    assert report.checked[-1] == "source vault: obtain, killed after each state that it saves"


FAULTY_SOURCES = {
    "offers raises": (
        "def offers(self, request, state):\n    return Offer(serves=1 / 0)",
        ["return Offer(serves=1 / 0) -> offers failed: ZeroDivisionError: division by zero."],
    ),
    "due answers nothing": (
        "def due(self, request, state, now):\n    return None",
        ["def due(self, request, state, now): -> due of the source vault returned NoneType, not Due."],
    ),
    "due is random": (
        "def due(self, request, state, now):\n    return Due(at=now, reason=uuid.uuid4().hex)",
        ["def due(self, request, state, now): -> due answered differently when it was asked twice for the same."],
    ),
    "offers reads": (
        "def offers(self, request, state):\n    return Offer(serves=bool(open('/etc/passwd')))",
        [
            (
                "return Offer(serves=bool(open('/etc/passwd'))) -> "
                "offers opens /etc/passwd: a hook declares, and does no input or output."
            )
        ],
    ),
    "another name is delivered": (
        (
            "def obtain(self, request, context):\n"
            "    return context.issue(Request(names=frozenset({'b.lan'}), key_type=request.key_type), timedelta(days=9))"
        ),
        [
            (
                "def obtain(self, request, context): -> obtain of the source vault delivered a chain that can't be used: "
                "it does not name check.example.com."
            )
        ],
    ),
    "nothing is delivered": (
        "def obtain(self, request, context):\n    return None",
        ["def obtain(self, request, context): -> obtain of the source vault returned NoneType, not Chain."],
    ),
    "an order does not go on": (
        (
            "def obtain(self, request, context):\n"
            "    assert not context.saved\n"
            "    context.save({'order': '7'})\n"
            "    return context.issue(request, timedelta(days=9))"
        ),
        ["assert not context.saved -> obtain failed: AssertionError."],
    ),
    "its CA is away": (
        "def obtain(self, request, context):\n    raise SourceError('The vault is sealed.', fix='Unseal it.')",
        ["raise SourceError('The vault is sealed.', fix='Unseal it.') -> The vault is sealed."],
    ),
}


@pytest.mark.parametrize("name", FAULTY_SOURCES)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_each_fault_of_a_source_is_told(name: str, tmp_path: Path):
    body, expected = FAULTY_SOURCES[name]
    assert told(check(source(tmp_path, body))) == expected


def test_a_source_is_asked_for_the_names_of_the_test(tmp_path: Path):
    report = check(THIRD_PARTY / "slow.py", {"failures": 0}, names=["a.lan"])
    assert report.ok
    assert report.left_out == ("slow: an order, as it declines check.example.com: a.lan is a local name",)


def test_what_may_not_act_is_said_to_be_left_out(tmp_path: Path):
    report = check(source(tmp_path, ""), acts=False)
    assert report.lines() == [
        "Not checked: vault: an order, which would be one",
        'The plugin "vault" is good: 4 checks.',
    ]


NOTIFIER = """\
class Pager(Notifier):
    '''A pager.'''

    name = "pager"
    file: str

    def wants(self, event):
        return event.kind == "rolled_back"

    def send(self, event, context):
        Path(self.file).write_text(f"{context.host}: {event.kind}")


@hookimpl
def register_notifiers():
    return [Pager]
"""


def test_a_notifier_sends_what_it_wants(tmp_path: Path):
    report = check_plugin(plugin(tmp_path, NOTIFIER, "pager"), {"file": str(tmp_path / "sent")})
    assert report.checked[-2:] == ("notifier pager: wants", "notifier pager: send")
    assert (tmp_path / "sent").read_text() == "gw: rolled_back"
    report = check(plugin(tmp_path, NOTIFIER, "pager"), {"file": "/nowhere/sent"})
    assert [each.problem.code for each in report.faults] == ["check.call_failed"]


OBSERVER = """\
@hookimpl
def on_event(event):
    if event.kind == "broken":
        raise RuntimeError("no")
"""


def test_an_observer_that_raises_is_told_with_its_line(tmp_path: Path):
    report = check(plugin(tmp_path, OBSERVER))
    assert told(report) == ['raise RuntimeError("no") -> on_event failed: RuntimeError: no.']


POLICY = """\
@hookimpl(wrapper=True)
def declare_needs(asked, host):
    needs = yield
    return [need for need in needs if need.slot != "two"]
"""


def test_a_policy_is_checked_on_a_sample_of_a_module(tmp_path: Path):
    report = check_plugin(plugin(tmp_path, POLICY))
    assert "check-sample: declare_needs" in report.checked
    assert "a module that is taken out" in report.checked


def test_a_setting_of_a_plugin_may_be_called_like_a_table(tmp_path: Path):
    path = plugin(tmp_path, RULE)
    assert check_plugin(path, {"modules": ["mail"]}).ok


def test_a_policy_that_spoils_an_answer_is_told(tmp_path: Path):
    spoiling = POLICY.replace('[need for need in needs if need.slot != "two"]', "needs[7]")
    report = check(plugin(tmp_path, spoiling))
    (fault,) = report.faults
    assert fault.place.endswith("other.py:9")
    assert "IndexError: list index out of range" in fault.problem.cause


# What can't be loaded


def test_a_broken_import_is_told_with_its_line(tmp_path: Path):
    report = check(plugin(tmp_path, "import nowhere\n"))
    assert told(report) == ["import nowhere -> Its import failed: ModuleNotFoundError: No module named 'nowhere'."]


def test_a_plugin_without_anything_is_told(tmp_path: Path):
    report = check(plugin(tmp_path, "def register_modules():\n    return []\n"))
    assert not report.ok


def test_settings_that_are_refused_are_told(tmp_path: Path):
    with pytest.raises(PluginFaulty, match=r"\[modules.tunnel\] prot: unknown key; did you mean \"port\"\?"):
        check_plugin(THIRD_PARTY / "tunnel.py", {"domain": "t.lan", "prot": 1})


def test_a_name_that_nothing_has_is_told():
    report = check("mial")
    assert report.lines() == [
        'There is no plugin "mial". Did you mean "mail"?',
        "    See all: chainwright plugins",
        'The plugin "mial" has 1 fault; 0 checks.',
    ]


# What may be given


class Given(DnsSolver):
    """A solver of this file."""

    name = "given"

    def present(self, name: str, value: str) -> None:
        pass

    def clean_up(self, name: str, value: str) -> None:
        pass


def test_a_class_or_a_python_module_may_be_given():
    assert check_plugin(Given).plugin == "given"
    made = ModuleType("some.given")
    made.__file__ = __file__
    made.register_dns_solvers = hookimpl(specname="register_dns_solvers")(lambda: [Given])
    assert check_plugin(made).checked == check_plugin(Given).checked


def test_a_failing_test_shows_every_fault_with_place_and_cure(tmp_path: Path):
    (tmp_path / "vault.py").write_text(
        IMPORTS + SOURCE.replace('return Due(at=now, reason="always")', "return None") + SOURCES
    )
    (tmp_path / "test_vault.py").write_text(
        "from pathlib import Path\n"
        "from chainwright.testing import check_plugin\n\n\n"
        'def test_it():\n    check_plugin(Path(__file__).with_name("vault.py"))\n\n\n'
        "def test_the_fixture_is_there(appliance):\n    assert appliance.apply()\n"
    )
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_vault.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 failed, 1 passed" in ran.stdout, ran.stdout
    line = (tmp_path / "vault.py").read_text().splitlines().index("    def due(self, request, state, now):") + 1
    assert f"{tmp_path}/vault.py:{line}: due of the source vault returned NoneType, not Due." in ran.stdout
    assert "Correct it in the plugin, then: chainwright plugins check NAME" in ran.stdout


def test_public_names_are_there():
    import chainwright.testing

    assert [name for name in chainwright.testing.__all__ if getattr(chainwright.testing, name) is None] == []
