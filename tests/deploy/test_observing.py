"""Services tell of themselves, by commands of their own: what comes of each thing that they say."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta

import pytest

from agent.deploy.observing import MOST_NEWS, OBSERVERS
from agent.model.events import EventKind
from agent.model.finding import Severity, SubjectKind
from agent.model.observed import LONGEST_MEND, MOST_STATES, PAUSES, read_states
from agent.system.observed_output import digest_of
from chainwright import differs_line, finding_line, state_line
from support.appliances.deployed import Deployed
from support.clients.terminal import Terminal
from support.paths import THIRD_PARTY
from support.told import codes, told

UP = state_line("tunnel north", "up")
DOWN = state_line("tunnel north", "down", "nothing answers", severity="warning", fix="Ask north.", mend=True)


class Telling:
    """An appliance whose one service says what the test wants, and knows whether it was loaded or dialled."""

    def __init__(self, appliance: Deployed) -> None:
        self.appliance = appliance
        self.states = appliance.layout.run / "telling.states"
        appliance.drop_in("telling")
        appliance.settings('hostname = "gw"\n[modules.telling]\n')
        self.loads(UP)
        self.dials(fails="north says no")
        self.says(UP)
        appliance.apply()
        appliance.runner.ran.clear()

    def says(self, *lines: str) -> None:
        self.states.write_text("".join(f"{line}\n" for line in lines))

    def loads(self, line: str) -> None:
        """Have a reload end with this being told."""
        self.appliance.program("telling-load", f"#!/bin/sh\ncat >\"$1\" <<'END'\n{line}\nEND\n")

    def dials(self, *, fails: str = "", then: str = UP) -> None:
        done = f"echo 'error: {fails}' >&2; exit 1" if fails else f"cat >\"$1\" <<'END'\n{then}\nEND\n"
        self.appliance.program("telling-dial", f"#!/bin/sh\n{done}\n")

    def observed(self, *lines: str) -> list[tuple[str, str, int]]:
        """Have a pass made after `lines` were told; return subject, state and tries."""
        if lines:
            self.says(*lines)
        self.look()
        with self.appliance.store() as store:
            return [(each.subject, each.state, each.attempts) for each in store.observations.all()]

    def look(self) -> None:
        self.appliance.engine().run_pass(wait=0)


@pytest.fixture
def telling(appliance):
    return Telling(appliance)


def test_a_state_keeps_its_since_as_long_as_it_lasts_and_is_shown(telling):
    def row() -> dict[str, object]:
        (found,) = Terminal(telling.appliance.root).json("status")["states"]
        return {name: found[name] for name in ("subject", "state", "since", "severity")}

    first = row()
    assert (first["subject"], first["state"], first["severity"]) == ("tunnel north", "up", None)
    telling.appliance.clock.advance(minutes=5)
    telling.observed()
    assert row() == first
    telling.observed(state_line("tunnel north", "asleep"))
    assert row()["since"] != first["since"]
    shown = Terminal(telling.appliance.root)
    assert "- asleep  telling: tunnel north" in shown.run("status").stdout
    assert "telling: tunnel north is asleep for" in shown.run("explain", "telling").stdout
    assert shown.json("explain", "telling")["states"][0]["state"] == "asleep"


def test_what_somebody_should_know_is_a_finding_until_it_is_over(telling):
    telling.observed(DOWN, finding_line("licence", "notice", "It ends on Friday.", "Renew it."))
    found = told(telling.appliance)
    assert codes(found) == [
        ("module", "telling:tunnel north", "warning", "status.observed"),
        ("module", "telling:licence", "notice", "status.observed"),
    ]
    assert found[0]["title"] == "telling: tunnel north"
    cause = "It is down: nothing answers. It was tried to mend that once, the last time: error: north says no."
    assert (found[0]["problem"]["cause"], found[0]["problem"]["fix"]) == (cause, "Ask north.")
    assert found[1]["problem"]["cause"] == "It ends on Friday."
    telling.observed(UP)
    assert told(telling.appliance) == []
    texts = [each.text for each in telling.appliance.events if each.kind is EventKind.OBSERVED]
    assert texts == ["telling: tunnel north is down: nothing answers", "telling: tunnel north is up"]


def test_what_the_program_of_the_guide_prints_is_understood():
    program = (sys.executable, "-P", THIRD_PARTY / "tunnel_states.py")
    lines = subprocess.run(program, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    found = read_states(SubjectKind.SERVICE, "tunneld", lines)
    assert [(each.subject, each.state, each.severity, each.mends) for each in found] == [
        ("tunnel north", "up", None, False),
        ("tunnel south", "down", Severity.WARNING, True),
        ("licence", "", Severity.NOTICE, False),
        ("configuration", "differs", Severity.WARNING, True),
    ]


def test_what_can_be_mended_is_tried_with_pauses_that_grow(telling):
    telling.says(DOWN)
    waited = [timedelta()]
    for pause in (*PAUSES, LONGEST_MEND):
        assert telling.observed()[0][2] == len(waited)
        assert telling.observed()[0][2] == len(waited), "it is too early"
        with telling.appliance.store() as store:
            assert store.instant("next at") <= telling.appliance.clock() + pause
        telling.appliance.clock.advance(seconds=pause.total_seconds() + 1)
        waited.append(pause)
    telling.dials()
    assert telling.observed() == [("tunnel north", "up", 0)]
    assert telling.observed(DOWN) == [("tunnel north", "up", 0)], "a new fall begins with a short pause again"


def test_a_clock_that_was_ahead_holds_no_try_back(telling):
    telling.appliance.clock.advance(days=3)
    telling.observed(DOWN)
    telling.appliance.clock.advance(days=-3)
    assert telling.observed()[0][2] == 2


def test_what_nothing_mends_has_no_pass_made_for_it(telling):
    telling.appliance.settings('hostname = "gw"\n[modules.telling]\nsettles = false\n')
    telling.appliance.apply()
    assert telling.observed(DOWN) == [("tunnel north", "down", 0)]
    with telling.appliance.store() as store:
        assert store.instant("next at") is None or store.instant("next at") > telling.appliance.clock()


def test_what_differs_is_loaded_again_at_once(telling):
    assert telling.observed(differs_line("north is not loaded")) == [("tunnel north", "up", 0)]
    assert telling.appliance.runner.count("telling-load") == 1
    (drift,) = [each.text for each in telling.appliance.events if each.kind is EventKind.DRIFT]
    assert drift == "telling: north is not loaded; it is loaded again"
    assert told(telling.appliance) == []


def test_what_goes_on_to_differ_is_told_and_loaded_less_and_less_often(telling):
    telling.loads(differs_line("north is not loaded"))
    assert telling.observed(differs_line("north is not loaded")) == [("configuration", "differs", 1)]
    assert telling.observed() == [("configuration", "differs", 1)]
    (found,) = told(telling.appliance)
    assert found["problem"]["cause"] == (
        "What runs is not what was deployed: north is not loaded. It was loaded again once."
    )
    assert telling.appliance.runner.count("telling-load") == 1


@pytest.mark.parametrize(
    ("printed", "why"),
    [
        ("{", "line 1 can't be read: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        ('{"a": 1}', 'line 1 can\'t be read: it is no object with one of "state", "finding" and "differs"'),
        ('{"state": "up"}', 'line 1 can\'t be read: it has no "subject"'),
        ('{"state": "up", "subject": 7}', 'line 1 can\'t be read: its "subject" is no text'),
        (
            '{"state": "up", "subject": "%s"}' % ("a" * 2001),
            'line 1 can\'t be read: its "subject" has more than 2000 characters',
        ),
        ('{"finding": "bad", "subject": "a", "why": "b"}', "line 1 can't be read: 'bad' is not a valid Severity"),
        ('{"finding": "error", "subject": "a"}', 'line 1 can\'t be read: it has no "why"'),
        ('{"state": "", "subject": "a"}', 'line 1 can\'t be read: it has no "state"'),
        ('{"state": 7, "subject": "a"}', 'line 1 can\'t be read: its "state" is no text'),
        (
            "\n".join(state_line(str(number), "up") for number in range(MOST_STATES + 1)),
            "it prints more than 2000 states",
        ),
        ("[" * 20 + "{" * 1_000_000, "it prints more than 1000000 characters"),
    ],
    ids=range(11),
)
def test_what_can_not_be_read_is_told_and_costs_nothing_else(telling, printed, why):
    telling.observed(printed)
    (found,) = told(telling.appliance)
    assert found["problem"]["cause"] == f"It is failed: cat: {why}."
    assert telling.appliance.apply().performed == ()


@pytest.mark.parametrize("strange", ["\x1b[2J", "\r", "\n", "\x00", "\u202e", "\ud800", "\x9b31m"], ids=ascii)
def test_what_a_terminal_would_obey_is_kept_out(telling, strange):
    telling.states.write_text(json.dumps({"state": f"up{strange}x", "subject": f"a{strange}b", "severity": "notice"}))
    telling.look()
    (found,) = told(telling.appliance)
    (event,) = [each.text for each in telling.appliance.events if each.kind is EventKind.OBSERVED]
    shown = [found["title"], found["problem"]["cause"], event]
    shown += Terminal(telling.appliance.root).run("explain", "telling").stdout.splitlines()
    assert all(each.isprintable() for each in shown), shown
    telling.appliance.program("telling-load", "#!/bin/sh\nprintf 'error: \\033[2J'; exit 1\n")
    telling.says(differs_line("a"))
    telling.look()
    (found,) = told(telling.appliance)
    assert "error: ?[2J" in found["problem"]["cause"]


def test_states_that_change_all_at_once_make_few_events(telling):
    telling.observed(*(state_line(f"tunnel {number}", "down", severity="warning") for number in range(500)))
    texts = [each.text for each in telling.appliance.events if each.kind is EventKind.OBSERVED]
    assert len(texts) == MOST_NEWS + 1
    assert texts[-1] == "telling: 480 more states are others than before"


def test_a_command_that_fails_is_told(telling):
    telling.states.unlink()
    telling.look()
    (found,) = told(telling.appliance)
    assert found["problem"]["cause"] == f"It is failed: cat: {telling.states}: No such file or directory."


def test_the_daemon_is_told_what_to_run_and_what_it_said_last(telling):
    with telling.appliance.store() as store:
        known = json.loads(store.meta(OBSERVERS) or "")
    argv = ["cat", str(telling.states)]
    assert known == {
        "seconds": 60,
        "commands": [{"owner": "telling", "argv": argv, "environment": {}, "digest": digest_of(UP)}],
    }


def test_a_service_that_is_taken_out_tells_nothing_any_more(telling):
    telling.observed(DOWN)
    telling.appliance.settings('hostname = "gw"\n')
    telling.appliance.apply()
    assert told(telling.appliance) == []
    with telling.appliance.store() as store:
        assert store.meta(OBSERVERS) == ""


def test_what_differs_of_a_service_whose_reload_drops_sessions_is_told_and_left_alone(telling):
    plugin = telling.appliance.layout.plugins / "telling.py"
    plugin.write_text(plugin.read_text().replace("    settles:", "    disruptive = True\n    settles:"))
    telling.appliance.apply()
    telling.appliance.runner.ran.clear()
    assert telling.observed(differs_line("north is gone", "Restart it at night.")) == [("configuration", "differs", 0)]
    assert telling.appliance.runner.count("telling-load") == 0
    (found,) = told(telling.appliance)
    assert found["problem"]["fix"] == "Restart it at night."


MEETING = """#!/bin/sh
echo >>"$1.asked"
for _ in $(seq 100); do
    [ "$(wc -l <"$1.asked")" -ge 2 ] && exec /bin/cat "$1"
    sleep 0.05
done
exit 1
"""


def test_services_are_asked_at_the_same_time(telling):
    box = telling.appliance
    box.settings('hostname = "gw"\n[modules.telling]\n[modules.other]\nplugin = "telling"\n')
    box.apply()
    telling.states.with_name(f"{telling.states.name}.asked").unlink(missing_ok=True)
    box.program("cat", MEETING)
    assert telling.observed(UP) == [("tunnel north", "up", 0)] * 2
