"""The guard itself: whatever is called, the caller gets an answer or an error that says who and where."""

import contextvars
import gc
import os
import sys
import threading
import time
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from types import ModuleType

import pytest

from agent.errors.plugin import STAYS, PluginHangs
from agent.registry.answers import WrongAnswer, exactly, instant, members, one_of, text
from agent.registry.culprits import Culprits
from agent.registry.guard import IMPORT, Asked, Guard, PluginFailed
from agent.registry.plugin_output import PluginOutput
from support.waiting import until

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ASKED = Asked("tunnel", "declare_needs", "tunnel", STAYS)
PLUGIN = """
import sys, time, json

def fine(): return 1
def spin():
    while True:
        pass
def sleep(): time.sleep(600)
def fail(): return [][1]
def deep(): return deep()
def leave(): sys.exit(3)
def interrupt(): raise KeyboardInterrupt
def hungry(): raise MemoryError
def library(): json.loads("{")
def call(other): return other()
def odd():
    class Odd(Exception):
        def __str__(self): raise ValueError("no text")
    raise Odd
def tell(): print("one\\ntwo", end=""); print(" and more"); sys.stdout.buffer.write(b"octets\\n")
def flood():
    for number in range(1000): print(number)
"""


@pytest.fixture
def plugin(tmp_path: Path) -> ModuleType:
    return made(tmp_path / "tunnel.py", PLUGIN)


def made(path: Path, source: str) -> ModuleType:
    path.write_text(source)
    module = ModuleType(path.stem)
    exec(compile(source, str(path), "exec"), module.__dict__)
    return module


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def guard(tmp_path: Path, said: list[str]) -> Guard:
    homes = [("tunnel", tmp_path / "tunnel.py"), ("policy", tmp_path / "policy.py")]
    return Guard(Culprits(lambda: homes), patience=0.05, most=0.2, say=said.append)


def test_a_call_returns_what_the_plugin_returns_and_many_cost_little(guard: Guard, plugin: ModuleType):
    for _ in range(20_000):
        assert guard.call(ASKED, plugin.fine) == 1
    assert len([each for each in threading.enumerate() if each.name == "plugin"]) >= 1


def test_a_call_in_a_call_has_a_thread_of_its_own(guard: Guard, plugin: ModuleType):
    def nested() -> list[int]:
        return [threading.get_ident(), *guard.call(ASKED, lambda: [threading.get_ident(), plugin.fine()])]

    outer, inner, one = guard.call(ASKED, nested)
    assert one == 1
    assert len({outer, inner, threading.get_ident()}) == 3


def test_what_the_caller_has_in_its_context_is_there(guard: Guard):
    known = contextvars.ContextVar("known", default="")
    known.set("the caller's")
    assert guard.call(ASKED, known.get) == "the caller's"
    guard.call(ASKED, lambda: known.set("the plugin's"))
    assert known.get() == "the caller's"


@pytest.mark.parametrize(
    ("name", "kind", "line"),
    [
        ("fail", IndexError, "return [][1]"),
        ("deep", RecursionError, "return deep()"),
        ("leave", SystemExit, "sys.exit(3)"),
        ("interrupt", KeyboardInterrupt, "raise KeyboardInterrupt"),
        ("hungry", MemoryError, "raise MemoryError"),
        ("library", ValueError, 'json.loads("{")'),
    ],
)
def test_whatever_is_raised_is_caught_and_the_last_line_in_the_plugin_is_named(
    guard: Guard, plugin: ModuleType, name: str, kind: type, line: str
):
    with pytest.raises(PluginFailed) as caught:
        guard.call(ASKED, getattr(plugin, name))
    assert isinstance(caught.value.error, kind)
    assert caught.value.plugin == "tunnel"
    number = next(number for number, each in enumerate(PLUGIN.splitlines(), 1) if line in each)
    assert caught.value.place == f"{plugin.fine.__code__.co_filename}:{number}"
    assert guard.call(ASKED, plugin.fine) == 1


def test_an_error_of_the_contract_goes_on_as_it_is(guard: Guard, plugin: ModuleType):
    with pytest.raises(IndexError):
        guard.call(ASKED, plugin.fail, contract=(LookupError,))
    with pytest.raises(IndexError):
        guard.here(ASKED, plugin.fail, contract=(LookupError,))


def test_a_call_in_the_callers_thread_is_guarded_as_well(guard: Guard, plugin: ModuleType, said: list[str]):
    assert guard.here(ASKED, plugin.fine) == 1
    guard.here(ASKED, plugin.tell)
    with pytest.raises(PluginFailed) as caught:
        guard.here(ASKED, plugin.leave)
    assert (caught.value.plugin, caught.value.place.rpartition(":")[2]) == ("tunnel", "11")
    assert said[0] == "plugin tunnel printed: one"


def test_the_plugin_that_wraps_is_to_blame_where_it_raises_and_the_other_where_it_does(
    guard: Guard, plugin: ModuleType, tmp_path: Path
):
    policy = made(tmp_path / "policy.py", "def wrap(other): other()\ndef fail(): raise ValueError\n")
    with pytest.raises(PluginFailed) as caught:
        guard.call(ASKED, lambda: policy.wrap(plugin.fail))
    assert caught.value.plugin == "tunnel"
    with pytest.raises(PluginFailed) as caught:
        guard.call(ASKED, lambda: plugin.call(policy.fail))
    assert (caught.value.plugin, caught.value.place) == ("policy", f"{tmp_path}/policy.py:2")


def test_an_error_in_nobodys_file_is_that_of_the_plugin_that_is_asked(guard: Guard):
    with pytest.raises(PluginFailed) as caught:
        guard.call(ASKED, lambda: int("x"))
    assert (caught.value.plugin, caught.value.place) == ("tunnel", "")


def test_files_that_several_plugins_share_blame_none_of_them(tmp_path: Path):
    homes = [("one", tmp_path), ("two", tmp_path), ("two", tmp_path / "two"), ("two", tmp_path / "two")]
    culprits = Culprits(lambda: homes)
    assert culprits.plugin_of(f"{tmp_path}/two/a/b.py") == "two"
    assert culprits.plugin_of(f"{tmp_path}/both.py") == ""


# Hanging


@pytest.mark.parametrize(("name", "line"), [("spin", 7), ("sleep", 8)])
def test_a_plugin_that_hangs_is_named_while_it_is_waited_for_and_then_given_up(
    guard: Guard, plugin: ModuleType, said: list[str], name: str, line: int
):
    with pytest.raises(PluginHangs) as caught:
        guard.call(ASKED, getattr(plugin, name))
    (waiting,) = said
    assert waiting in {f"waiting for plugin tunnel: declare_needs (line {each})" for each in (line, line - 1)}
    places = {f"{plugin.fine.__code__.co_filename}:{each}" for each in (line, line - 1)}
    assert caught.value.place in places
    assert str(caught.value) == (
        f'tunnel ({caught.value.place}): The plugin "tunnel" did not answer declare_needs within 0.2 s, and is not asked '
        "again meanwhile.\n"
        "Its last generation stays in place, the others go on. Correct or update it; chainwright plugins names its distribution."
    )
    asked: list[int] = []
    with pytest.raises(PluginHangs, match="did not answer declare_needs within"):
        guard.call(ASKED._replace(hook="render_files"), lambda: asked.append(1))
    assert not asked
    assert guard.call(ASKED._replace(plugin="other"), plugin.fine) == 1


def test_a_loop_that_hangs_is_ended(guard: Guard, plugin: ModuleType):
    idents: list[int] = []

    def spin() -> None:
        idents.append(threading.get_ident())
        plugin.spin()

    with pytest.raises(PluginHangs):
        guard.call(ASKED, spin)
    deadline = time.monotonic() + 60
    while idents[0] in sys._current_frames() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert idents[0] not in sys._current_frames()


def test_a_plugin_that_wraps_and_hangs_is_not_asked_about_anything_else(
    guard: Guard, plugin: ModuleType, tmp_path: Path
):
    policy = made(tmp_path / "policy.py", "import time\ndef wrap(other): time.sleep(600)\n")
    asked = ASKED._replace(others=("policy",))
    with pytest.raises(PluginHangs, match='The plugin "policy" did not answer declare_needs'):
        guard.call(asked, lambda: policy.wrap(plugin.fine))
    with pytest.raises(PluginHangs, match=r'mail .*The plugin "policy" did not answer declare_needs'):
        guard.call(asked._replace(plugin="mail", subject="mail"), plugin.fine)
    assert guard.call(ASKED, plugin.fine) == 1


def test_a_plugin_that_takes_its_time_is_named_and_waited_for(tmp_path: Path, said: list[str], plugin: ModuleType):
    guard = Guard(Culprits(lambda: [("tunnel", tmp_path / "tunnel.py")]), patience=0.01, most=60, say=said.append)
    go = threading.Event()

    def slow() -> int:
        go.wait(60)
        return 1

    guard.say = lambda text: (said.append(text), go.set())
    assert guard.call(ASKED, lambda: plugin.call(slow)) == 1
    assert said == ["waiting for plugin tunnel: declare_needs (line 15)"]


def test_an_endless_answer_ends_at_its_bound(guard: Guard):
    with pytest.raises(PluginFailed) as caught:
        guard.call(ASKED, lambda: members(count(), (int,), 1000))
    assert str(caught.value.error) == "it has more than 1000 members"


def test_plugins_to_be_avoided_are_not_asked(guard: Guard, plugin: ModuleType):
    guard.avoided = frozenset({"tunnel"})
    with pytest.raises(PluginFailed) as caught:
        guard.call(ASKED, plugin.fine)
    assert str(caught.value.error) == (
        "it hung, or processes died of it; it is asked again when a file has changed, or after a while"
    )


def test_a_process_that_was_forked_makes_threads_of_its_own(guard: Guard, plugin: ModuleType):
    assert guard.call(ASKED, plugin.fine) == 1
    guard._process = os.getpid() + 1
    before = list(guard._idle)
    assert guard.call(ASKED, plugin.fine) == 1
    assert guard._idle != before


# Printing


def test_what_a_plugin_prints_is_logged_line_by_line_and_never_on_standard_output(
    guard: Guard, plugin: ModuleType, said: list[str], capsys: pytest.CaptureFixture
):
    guard.call(ASKED, plugin.tell)
    guard.call(ASKED, lambda: print("\x1b[31mred", end=""))
    print("the command's")
    assert said == [
        "plugin tunnel printed: one",
        "plugin tunnel printed: two and more",
        "plugin tunnel printed: octets",
        r"plugin tunnel printed: \x1b[31mred",
    ]
    assert capsys.readouterr().out == "the command's\n"


def test_a_flood_of_lines_is_counted(guard: Guard, plugin: ModuleType, said: list[str]):
    guard.call(ASKED, plugin.flood)
    assert said[99:] == ["plugin tunnel printed: 99", "plugin tunnel printed 900 more lines"]


def test_without_further_ado_it_goes_to_standard_error(plugin: ModuleType, capfd: pytest.CaptureFixture):
    Guard().call(ASKED, plugin.tell)
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines()[0] == "plugin tunnel printed: one"


def test_standard_output_stays_the_agents_where_a_plugin_replaces_it(guard: Guard, said: list[str]):
    def replace() -> None:
        sys.stdout = sys.stderr

    guard.call(ASKED, replace)
    assert type(sys.stdout) is PluginOutput


def test_a_command_that_is_given_standard_output_gets_standard_error(guard: Guard):
    def given() -> int:
        return sys.stdout.fileno()

    assert guard.call(ASKED, given) == sys.stderr.fileno()


def within(guard: Guard) -> threading.Thread:
    """Return the thread of a call in a call."""
    return guard.call(ASKED, lambda: guard.call(ASKED, threading.current_thread))


def test_its_threads_end_with_it():
    guard = Guard()
    threads = {guard.call(ASKED, threading.current_thread), within(guard)}
    assert [each.is_alive() for each in threads] == [True, True]
    del guard
    gc.collect()
    until(lambda: not any(each.is_alive() for each in threads), what="its threads have ended")


# Types


@pytest.mark.parametrize(
    ("check", "reason"),
    [
        (lambda: members(None, (int,)), "it is None, not a list"),
        (lambda: members("abc", (str,)), "it is an object of type str, not a list"),
        (lambda: members({"a": 1}, (str,)), "it is an object of type dict, not a list"),
        (lambda: members([1, "x"], (int, float)), "it holds an object of type str, only int or float may stand there"),
        (lambda: one_of(3, (str,)), "it is an object of type int, not str or None"),
        (lambda: exactly(1, bool), "it is an object of type int, not bool"),
        (lambda: exactly(True, int), "it is an object of type bool, not int"),
        (lambda: text(None), "it is None, not str"),
        (lambda: text("x" * 11, 10), "it is a text of 11 characters, more than 10"),
        (lambda: instant("now"), "it is an object of type str, not datetime"),
        (lambda: instant(NOON.replace(tzinfo=None)), "it is a datetime without a time zone"),
    ],
)
def test_a_wrong_answer_is_told_by_its_type(check, reason: str):
    with pytest.raises(WrongAnswer) as caught:
        check()
    assert str(caught.value) == reason


def test_right_answers_are_taken():
    assert members((each for each in (1, 2)), (int,)) == [1, 2]
    assert one_of(None, (str,)) is None
    assert text("a") == "a"


SHARED = """
import os, sys, threading
def leave_a_thread():
    thread = threading.Thread(target=print, args=("noise",)); thread.start(); thread.join()
def change(): os.chdir("/"); os.environ["CHANGED"] = "1"; os.environ.pop("KEPT", None)
def change_and_fail(): change(); raise ValueError("no")
def change_together(barrier): change(); barrier.wait(10)
"""


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KEPT", "1")
    return made(tmp_path / "tunnel.py", SHARED)


def assert_as_before(tmp_path: Path) -> None:
    assert (Path.cwd(), os.environ.get("CHANGED"), os.environ["KEPT"]) == (tmp_path, None, "1")


def test_what_a_call_changes_for_the_whole_process_is_put_back_and_costs_it_its_answer(
    shared: ModuleType, tmp_path: Path
):
    guard = Guard()
    with pytest.raises(PluginFailed) as failed:
        guard.call(ASKED, shared.change)
    assert str(failed.value.error) == "it changed the process's environment, working directory, which was put back"
    assert_as_before(tmp_path)
    with pytest.raises(PluginFailed) as failed:
        guard.call(ASKED, shared.change_and_fail)
    assert str(failed.value.error) == "no"
    assert_as_before(tmp_path)


def test_what_an_import_changes_is_put_back_and_told(shared: ModuleType, tmp_path: Path):
    said: list[str] = []
    Guard(say=said.append).call(Asked("tunnel", IMPORT, "tunnel"), shared.change)
    assert said == ["plugin tunnel changed the process's environment, working directory; it was put back"]
    assert_as_before(tmp_path)


def test_of_calls_that_run_together_none_is_blamed(shared: ModuleType, tmp_path: Path):
    said: list[str] = []
    guard, barrier = Guard(say=said.append), threading.Barrier(2)
    calls = [threading.Thread(target=guard.call, args=(ASKED, lambda: shared.change_together(barrier))) for _ in "ab"]
    for each in calls:
        each.start()
    for each in calls:
        each.join(10)
    words = (
        "one of some plugins, tunnel among them, changed the process's environment, working directory; it was put back"
    )
    assert said == [words]
    assert_as_before(tmp_path)


def test_what_a_thread_prints_is_not_the_output_of_the_command(shared: ModuleType, capsys: pytest.CaptureFixture[str]):
    Guard().call(ASKED, shared.leave_a_thread)
    assert capsys.readouterr() == ("", "plugin in a thread of its own printed: noise\n")
