"""A policy that can't be loaded goes on governing what it wrapped: nothing of it is switched."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agent.engine.policies import POLICIES, remembered_policies
from agent.errors.plugin import PolicyMissing
from agent.errors.plugin_loading import ImportFailed
from agent.errors.settings import SettingsRefused
from agent.model.deployment import Outcome
from agent.model.finding import Severity, SubjectKind
from agent.registry.contract_checks import Owner
from agent.registry.hooks import Hooks
from agent.registry.missing_policies import missing_policies
from agent.registry.plugin_record import PluginRecord
from agent.report import read_snapshot, report
from chainwright import hookimpl
from plugins.nginx.service import Nginx
from support.appliances.deployed import Deployed, served
from support.ports import free_port

POLICY = """
from chainwright import hookimpl

@hookimpl(wrapper=True)
def HOOK(asked):
    return (yield)
"""
BROKEN = "import nothing_like_this\n"
CAUSE = (
    'The plugin "company", which wraps {}, can\'t be used: Its import failed: ModuleNotFoundError: '
    "No module named 'nothing_like_this'."
)
MEANWHILE = (
    "Nothing that it governs is switched; what is in service stays. "
    "Repair that plugin, or take [plugins.company] out of the settings: then it governs nothing any longer."
)


class Governed(Deployed):
    """The toy daemon's module, and a policy about it."""

    name = "tunnel"
    domain: str = "a.example.test"
    is_enabled: bool = True

    def tables(self) -> str:
        policy = "[plugins.company]\n" if self.is_enabled else ""
        return f'{policy}[modules.tunnel]\nport = {self.port}\ndomain = "{self.domain}"\n'

    def write(self, text: str) -> None:
        """Write the policy."""
        (self.layout.plugins / "company.py").write_text(text)

    def begin(self, hook: str) -> None:
        self.port = free_port()
        self.drop_in("tunnel")
        self.write(POLICY.replace("HOOK", hook))
        self.configure()
        self.apply()
        self.start("toyd", self.layout.module("tunnel").live / "toyd.conf")
        self.apply()
        self.assert_live()

    def told(self) -> list[tuple[Severity, SubjectKind, str, list[str]]]:
        now = self.clock()
        found = report(read_snapshot(self.layout, now), now).findings
        return [(each.severity, each.kind, each.subject, each.problem.lines()) for each in found]


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch) -> Iterator[Governed]:
    with Governed.make() as made:
        monkeypatch.setenv("PATH", made.path)
        yield made


@pytest.mark.parametrize("hook", ["declare_needs", "render_files", "reload_command", "probes"])
def test_a_renewal_waits_for_a_policy_that_is_missing(box: Governed, hook: str):
    box.begin(hook)
    before, live = served(box.port, box.domain), box.live("tunnel")
    place = f"{box.layout.plugins}/company.py:1"
    expected = [f"company ({place}): {CAUSE.format(hook)}", MEANWHILE]
    box.write(BROKEN)
    for _ in range(2):  # it is kept
        box.apply()
        assert box.told() == [(Severity.ERROR, SubjectKind.PLUGIN, "company", expected)]
    box.renew()
    box.apply()
    (bound,) = box.chains().values()
    assert bound != before
    assert (served(box.port, box.domain), box.live("tunnel")) == (before, live)
    told = box.told()
    assert told[0] == (Severity.ERROR, SubjectKind.PLUGIN, "company", expected)
    # Where it had a say in what is looked at, it is told beside it that nobody looks.
    assert {each[1] for each in told[1:]} == ({SubjectKind.ENDPOINT} if hook == "probes" else set())
    box.configure(is_enabled=False)
    box.engine().apply(wait=0, retry=True)
    assert served(box.port, box.domain) == bound
    assert box.told() == []


def test_needs_stay_the_last_ones_while_the_policy_about_them_is_missing(box: Governed):
    box.begin("declare_needs")
    box.write(BROKEN)
    box.configure(domain="b.example.test")
    box.apply()
    with box.store() as store:
        assert [each.names for each in store.modules.needs()] == [("a.example.test",)]
    assert served(box.port, "a.example.test")
    box.write(POLICY.replace("HOOK", "declare_needs"))
    box.engine().apply(wait=0, retry=True)
    box.assert_live()
    with box.store() as store:
        assert [each.names for each in store.modules.needs()] == [("b.example.test",)]


def test_a_policy_that_has_never_worked_governs_nothing_that_is_known(box: Governed):
    box.write(BROKEN)
    box.port = free_port()
    box.drop_in("tunnel")
    box.configure()
    box.apply()
    assert box.deployment("tunnel").outcome is Outcome.WAITING
    plugin = [each[3][0] for each in box.told() if each[1] is SubjectKind.PLUGIN]
    cause = "Its import failed: ModuleNotFoundError: No module named 'nothing_like_this'."
    assert plugin == [f'plugin "company" ({box.layout.plugins}/company.py:1): {cause}']


def test_a_policy_that_is_gone_while_it_is_enabled_refuses_the_settings(box: Governed):
    box.begin("declare_needs")
    (box.layout.plugins / "company.py").unlink()
    with pytest.raises(SettingsRefused):
        box.apply()
    with box.store() as store:
        assert remembered_policies(store) == {"company": ["declare_needs"]}


def test_what_can_not_be_read_of_policies_governs_nothing(box: Governed):
    with box.store() as store:
        for odd in ("[1]", "{"):
            with store.write():
                store.remember(POLICIES, odd)
            assert remembered_policies(store) == {}


def test_hooks_that_a_policy_still_wraps_are_asked():
    class Policy:
        @hookimpl(wrapper=True)
        def probes(self, asked):
            return (yield)

    error = ImportFailed("company", "company.py", ImportError("nothing"))
    record = PluginRecord(Owner("company", "company.py"), enabled=True, plugin=Policy())
    known = {"company": ["probes", "render_entry"], "other": ["probes"]}
    assert missing_policies(known, [record], {}) == []
    missing = missing_policies(known, [record], {"plugins.company": error})
    nginx = Nginx()
    hooks = Hooks({}, {"company": Policy()}, {"nginx": nginx}, missing=missing)
    assert [each.hooks for each in hooks.missing] == [("render_entry",)]
    with pytest.raises(PolicyMissing) as caught:
        hooks.render_entry(nginx, None)  # type: ignore[arg-type]
    assert str(caught.value) == (
        'service nginx (company.py): The plugin "company", which wraps render_entry, can\'t be used: '
        f"Its import failed: ImportError: nothing.\n{MEANWHILE}"
    )


def test_a_policy_about_what_is_only_looked_at_stops_no_switch():
    error = ImportFailed("company", "company.py", ImportError("nothing"))
    record = PluginRecord(Owner("company", "company.py"), enabled=True, errors=(error,))
    (missing,) = missing_policies({"company": ["observe_command"]}, [record], {})
    assert not missing.withholds(Nginx)
