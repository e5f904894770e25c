"""One fault at a time, in every module that has a real service: what was served is still served, and nobody else is touched."""

from collections.abc import Callable, Container, Iterable
from typing import Any

import damage
import pytest
from faulty import Faulty, retarget
from subjects import SUBJECTS, ReverseProxy

from agent.model.deployment import Outcome, Step
from agent.model.events import EventKind
from agent.system.command import Command

pytestmark = pytest.mark.sampled(2)  # modules: each has tests of its own as well


def combined(
    damages: Iterable[Callable[..., Any]], *, everywhere: Container[Callable[..., Any]]
) -> pytest.MarkDecorator:
    """Parametrize a test with each damage to one module's files, and with some to every module's.

    The core finds damage before the service is told anything, so most of it needs one module only.
    """
    pairs = [
        (each, damaged) for each in SUBJECTS for damaged in damages if each is ReverseProxy or damaged in everywhere
    ]
    ids = [f"{each.name}-{damaged.__name__}" for each, damaged in pairs]
    return pytest.mark.parametrize(("shared", "damaged"), pairs, indirect=["shared"], ids=ids)


# What was staged is damaged before the core reads it back

STAGED = {
    damage.wrong_key: "key",
    damage.garbage_key: "key",
    damage.garbage_chain: "certificate",
    damage.leaf_only: "does not hold the",
    damage.missing_key: "can't be read (No such file or directory)",
    damage.missing_chain: "can't be read (No such file or directory)",
}


@pytest.mark.sampled(3)
@combined(STAGED, everywhere={damage.wrong_key})
def test_a_chain_whose_files_are_damaged_is_not_deployed_while_all_others_are(box, damaged):
    before, neighbour = box.bound(), box.neighbour()
    box.ask_for_new_chains()
    box.damage_the_staged(damaged)
    box.apply()
    bound, slot = box.bound(), box.subject.slot
    assert bound[slot] == before[slot]
    assert box.wire() == box.expected(bound)
    assert box.neighbour() == neighbour
    problem = box.told("refused")
    assert (problem["code"], problem["where"]) == ("deploy.preflight", f"{box.name}/{slot}")
    assert STAGED[damaged] in problem["cause"]
    assert_it_deploys_when_the_fault_is_gone(box)


def assert_it_deploys_when_the_fault_is_gone(box: Faulty) -> None:
    box.runner.rest()
    box.patience()
    box.try_again()
    assert_all_is_well(box)


def assert_all_is_well(box: Faulty) -> None:
    assert box.present.outcome is Outcome.LIVE, str(box.present.problem)
    assert box.refused() == []
    assert box.wire() == box.expected(box.bound())
    assert box.told("ok") is None


def test_a_file_that_the_service_may_not_read_spoils_nothing(box):
    before, neighbour = box.bound(), box.neighbour()
    box.ask_for_new_chains()
    box.damage_the_staged(damage.unreadable)
    box.patience(5)
    box.apply()
    assert box.neighbour() == neighbour
    if box.subject.reads_as_root:
        assert box.wire() == box.expected(box.bound()) != box.expected(before)
    else:
        slot = box.subject.slot
        assert box.wire() == box.expected({**box.bound(), slot: before[slot]})
        assert box.told("rolled_back")["code"] == "deploy.wrong_chain"
    box.runner.rest()
    box.patience()
    box.try_again()
    assert box.wire() == box.expected(box.bound()) != box.expected(before)


def test_a_template_that_the_service_refuses_holds_up_no_new_chain(box):
    before, neighbour = box.bound(), box.neighbour()
    name, text, refusal = box.subject.template
    override = box.layout.templates / name
    override.parent.mkdir(parents=True)
    override.write_text(text)
    box.ask_for_new_chains()
    box.apply()
    assert box.wire() == box.expected(box.bound()) != box.expected(before)
    assert box.neighbour() == neighbour
    problem = box.told("refused")
    assert problem["code"] == "deploy.check_refused"
    assert refusal in problem["cause"]
    override.unlink()
    box.apply()
    assert_all_is_well(box)


# The service does not do what it is told


def test_a_reload_that_hangs_is_ended_and_taken_back(box):
    before, neighbour = box.bound(), box.neighbour()
    box.ask_for_new_chains()
    box.runner.instead = Command(("sleep", "60"), timeout=0.2)
    box.apply()
    assert box.wire() == box.expected(before)
    assert box.neighbour() == neighbour
    problem = box.told("rolled_back")
    assert problem["code"] == "deploy.reload_failed"
    assert "no answer within 0.2 s" in problem["cause"]
    assert_it_deploys_when_the_fault_is_gone(box)


def test_a_reload_that_says_it_is_done_and_does_nothing_is_seen_and_taken_back(box):
    before, neighbour = box.bound(), box.neighbour()
    box.ask_for_new_chains()
    box.runner.instead = Command(("true",))
    box.patience(5)
    box.apply()
    assert box.wire() == box.expected(before)
    assert box.neighbour() == neighbour
    assert box.told("rolled_back")["code"] == "deploy.wrong_chain"
    assert_it_deploys_when_the_fault_is_gone(box)


def test_a_service_that_goes_on_with_the_old_chain_after_its_reload_is_seen_and_taken_back(box):
    before, neighbour = box.bound(), box.neighbour()
    box.ask_for_new_chains()
    box.put_back_the_links()
    box.patience(5)
    box.apply()
    assert box.wire() == box.expected(before)
    assert box.neighbour() == neighbour
    assert box.told("rolled_back")["code"] == "deploy.wrong_chain"
    assert_it_deploys_when_the_fault_is_gone(box)


# The service is not there


def test_a_service_that_was_killed_is_waited_for_and_picked_up_with_the_new_chain(box):
    before, neighbour = box.bound(), box.neighbour()
    box.subject.kill()
    box.ask_for_new_chains()
    box.apply()
    assert_it_waits(box, box.subject.down)
    assert box.bound() != before
    assert box.neighbour() == neighbour
    box.subject.start()
    box.apply()
    assert_all_is_well(box)


def test_a_service_that_dies_of_its_reload_gets_back_what_it_ran_with(box):
    before, neighbour = box.bound(), box.neighbour()
    box.ask_for_new_chains()
    box.runner.steps = {Step.PROBING: box.subject.kill}
    box.patience(5)
    box.apply()
    assert EventKind.ROLLED_BACK in [event.kind for event in box.events if event.module == box.name]
    assert box.neighbour() == neighbour
    box.subject.start()
    served, good = box.wire(), [box.expected(before), box.expected(box.bound())]
    assert all(chain in [each[listener] for each in good] for listener, chain in served.items())
    assert_it_deploys_when_the_fault_is_gone(box)


@pytest.mark.parametrize(
    "shared", [each for each in SUBJECTS if each.installed_by], indirect=True, ids=lambda each: each.name
)
def test_a_service_that_is_no_longer_installed_is_waited_for_and_picked_up_when_it_is_back(box):
    before, neighbour = box.bound(), box.neighbour()
    box.subject.kill()
    box.configure(installed=False)
    box.ask_for_new_chains()
    box.apply()
    assert_it_waits(box, "is not installed")
    assert box.bound() != before
    assert box.neighbour() == neighbour
    box.configure(installed=True)
    box.subject.start()
    box.apply()
    assert_all_is_well(box)


def assert_it_waits(box: Faulty, cause: str) -> None:
    """The new chain waits, and it is told that the service has served and is gone."""
    assert box.deployment(box.name).outcome is Outcome.WAITING
    problem = box.told("broken")
    assert problem["code"] == "deploy.service_stopped"
    assert cause in problem["detail"]


@pytest.mark.parametrize(
    "shared", [each for each in SUBJECTS if each.naming], indirect=True, ids=lambda each: each.name
)
def test_a_service_that_refuses_its_live_configuration_at_start_starts_all_the_same(box):
    name, text, alone = box.subject.naming
    file, override = box.root / "theirs", box.layout.templates / name
    file.write_text("# nothing\n")
    override.parent.mkdir(parents=True, exist_ok=True)
    override.write_text(text.replace("FILE", str(file)))
    box.apply()
    box.subject.kill()
    file.unlink()
    neighbour = box.neighbour()
    box.engine().boot()
    box.apply()
    assert box.refused() == [(box.name, box.subject.slot if alone else "")]
    with box.store() as store:
        (told,) = [each.problem for each in store.deployments.refusals()]
    assert told.code == "deploy.left_out"
    assert " would not start with it: " in told.cause
    assert f"/modules/{box.name}/" in told.cause
    box.subject.start()
    box.look()
    assert box.wire() == box.expected(box.bound()), "with the last configuration that it accepts"
    assert box.neighbour() == neighbour
    override.unlink()
    box.try_again()
    assert_all_is_well(box)


# Somebody else damages what is in service


def swapped_key(box: Faulty) -> None:
    damage.wrong_key(box.files())


def truncated_chain(box: Faulty) -> None:
    damage.leaf_only(box.files())


def removed_file(box: Faulty) -> None:
    damage.missing_key(box.files())


def link_to_nowhere(box: Faulty) -> None:
    retarget(box.layout.module(box.name).live, "nowhere")


def every_link_to_nowhere(box: Faulty) -> None:
    for link in box.subject.live_links:
        retarget(link, "nowhere")


@pytest.mark.sampled(4)
@combined(
    [swapped_key, truncated_chain, removed_file, link_to_nowhere, every_link_to_nowhere],
    everywhere={swapped_key, every_link_to_nowhere},
)
def test_damage_to_what_is_in_service_is_found_by_the_next_look_and_repaired_without_a_ca(box, damaged):
    before, asked, neighbour = box.bound(), box.orders_made(), box.neighbour()
    damaged(box)
    box.look()
    assert [event.module for event in box.events if event.kind == EventKind.DRIFT] == [box.name]
    assert box.bound() == before
    assert box.orders_made() == asked
    assert_all_is_well(box)
    assert box.neighbour() == neighbour
    box.files()
    assert all(link.resolve().is_dir() for link in box.subject.live_links)
    box.subject.kill()
    box.subject.start()
    assert box.wire() == box.expected(before)
