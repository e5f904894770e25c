"""Planning: what is due at an instant, why, and when to come back."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.contract.source import ChainRecord, OrderRecord
from agent.contract.window import Hours, parse_window
from agent.errors.problem import Problem
from agent.model.deployment import Deployment, EndpointRecord, Outcome, Refusal, RefusedKind
from agent.model.need import Need
from agent.model.resolved import ResolvedName
from agent.pki.chain import KeyType
from agent.planning import (
    WAITING_AGAIN,
    Declared,
    Deploy,
    Look,
    MakeRoot,
    Obtain,
    Plan,
    Retire,
    Settle,
    State,
    describe,
    plan,
    plan_json,
)
from agent.planning.evidence import Evidence
from support.fakes.ladder import (
    DAY,
    LADDER,
    LOCAL,
    NOW,
    ROOT,
    SLOW,
    TOY,
    UPLOADED,
    Toy,
    evidence,
    failed,
    local,
    need,
    record,
    toy,
    upload,
)

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
PROBLEM = Problem("deploy.check_refused", "The test refused it.")


@dataclass
class Appliance:
    """What is known, and what becomes of it when a plan is performed as it should be."""

    needs: list[Need]
    chains: list[ChainRecord] = field(default_factory=list)
    orders: list[OrderRecord] = field(default_factory=list)
    ladder: tuple = LADDER
    root: str | None = ROOT
    deployments: dict[str, Deployment] = field(default_factory=dict)
    live: dict[str, dict[str, str]] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)
    endpoints: list[EndpointRecord] = field(default_factory=list)
    leased: frozenset = frozenset()
    windows: dict[str, Hours] = field(default_factory=dict)
    inputs: str = "settings"
    resolved: str = ""
    names: tuple[ResolvedName, ...] = ()
    unwanted: frozenset[str] = frozenset()
    """Chains that every service refuses."""
    made: int = 0

    @property
    def modules(self) -> list[Declared]:
        names = dict.fromkeys(each.module for each in self.needs)
        return [Declared(name, self.inputs, self.windows.get(name), self.resolved) for name in names]

    @property
    def evidence(self) -> Evidence:
        refused = frozenset(
            (each.module, each.slot, each.subject) for each in self.refusals if each.kind is RefusedKind.CHAIN
        )
        return evidence(*self.chains, ladder=self.ladder, orders=self.orders, root=self.root, refused=refused)

    @property
    def state(self) -> State:
        return State(
            self.evidence,
            self.deployments,
            self.live,
            tuple(self.refusals),
            tuple(self.endpoints),
            self.leased,
            names=self.names,
        )

    def plan(self, now: datetime = NOW, **more) -> Plan:
        return plan(now, self.modules, self.needs, self.state, **more)

    def perform(self, made: Plan, now: datetime) -> None:
        for action in made.actions:
            getattr(self, f"_{type(action).__name__.lower()}")(action, now)

    def settled(self, now: datetime = NOW, *, passes: int = 12) -> Plan:
        """Perform what is due until nothing is."""
        for _ in range(passes):
            made = self.plan(now)
            if not made.actions:
                return made
            self.perform(made, now)
        raise AssertionError(f"never done: {[describe(action) for action in made.actions]}")

    def deployed(self, now: datetime = NOW) -> Appliance:
        self.settled(now)
        return self

    def _makeroot(self, _action: MakeRoot, _now: datetime) -> None:
        self.root = ROOT

    def _obtain(self, action: Obtain, now: datetime) -> None:
        self.made += 1
        wanted = next(each for each in self.needs if each.request.id == action.request.id)
        if action.immediate:
            row = local(f"local {self.made}", wanted, root=self.root, since=now - 5 * MINUTE)
            self.chains.append(replace(row, created_at=now))
        else:
            source = next(each for each in self.ladder if each.name == action.source)
            self.orders = [
                each for each in self.orders if (each.request, each.source) != (wanted.request.id, source.name)
            ]
            self.orders.append(failed(wanted, source, retry_at=now + 6 * HOUR))

    def _deploy(self, action: Deploy, now: datetime) -> None:
        live = self.live.setdefault(action.module, {})
        refused = {slot: chain for slot, chain in action.chains.items() if chain in self.unwanted}
        taken = {slot: chain for slot, chain in action.chains.items() if slot not in refused}
        self.live[action.module] = {**{slot: live[slot] for slot in refused if slot in live}, **taken}
        keys = {(action.module, slot, chain) for slot, chain in refused.items()}
        known = {*action.bound.values(), *action.better} - {*taken.values()}
        kept = [each for each in self.refusals if each.module != action.module or each.subject in known]
        self.refusals = [each for each in kept if (each.module, each.slot, each.subject) not in keys]
        self.refusals += [refusal(chain, module, slot=slot, at=now + HOUR) for module, slot, chain in sorted(keys)]
        outcome = Outcome.REFUSED if refused else Outcome.LIVE
        self.deployments[action.module] = Deployment(action.module, 1, outcome, inputs=action.inputs, at=now)
        self._look(Look(action.module, ""), now)

    def _settle(self, action: Settle, _now: datetime) -> None:
        self.deployments[action.module] = replace(self.deployments[action.module], outcome=Outcome.LIVE)

    def _look(self, action: Look, now: datetime) -> None:
        self.endpoints = [each for each in self.endpoints if each.module != action.module]
        self.endpoints.append(endpoint(action.module, next_at=now + 15 * MINUTE))

    def _retire(self, action: Retire, _now: datetime) -> None:
        del self.deployments[action.module]


def endpoint(module: str, *, ok: bool = True, next_at: datetime | None = None) -> EndpointRecord:
    return EndpointRecord(module, "k", "default", "127.0.0.1:443", "", None, None, ok, None, NOW, next_at)


def refusal(chain: str, module: str = "mail", *, slot: str = "default", at: datetime, **more) -> Refusal:
    return Refusal(module, slot, more.get("kind", RefusedKind.CHAIN), chain, PROBLEM, 1, at)


def kinds(made: Plan) -> list[type]:
    return [type(action) for action in made.actions]


def obtained(made: Plan) -> list[str]:
    return [action.source for action in made.actions if isinstance(action, Obtain)]


def the_actions(kind: type, made: Plan) -> list:
    return [action for action in made.actions if isinstance(action, kind)]


def the_deploy(made: Plan) -> Deploy:
    [action] = [action for action in made.actions if isinstance(action, Deploy)]
    return action


# Root and orders


def test_without_a_root_one_is_made_before_anything_is_asked_of_it():
    made = Appliance([need()], root=None).plan()
    assert kinds(made) == [MakeRoot, Obtain, Obtain]
    assert describe(made.actions[0]) == "make a root: the appliance has no root yet"


def test_no_root_is_made_for_nobody():
    wanted = need()
    assert MakeRoot not in kinds(Appliance([wanted], chains=[upload("upload")], root=None).plan())


def test_a_lower_rung_is_obtained_at_once_while_the_higher_one_is_being_asked():
    made = Appliance([need()]).plan()
    assert [(each.source, each.immediate) for each in the_actions(Obtain, made)] == [("toy", False), ("local", True)]
    assert [describe(each) for each in made.actions] == [
        "ask toy for www.chain.dev: there is no toy chain yet",
        "ask local for www.chain.dev: there is no local chain yet",
    ]


def test_two_needs_that_agree_are_asked_for_once():
    made = Appliance([need(), need(slot="imap"), need(module="web")]).plan()
    assert obtained(made) == ["toy", "local"]
    assert the_actions(Obtain, made)[0].needs == (("mail", "default"), ("mail", "imap"), ("web", "default"))


def test_a_rung_that_declines_is_not_asked():
    assert obtained(Appliance([need("gw.home.arpa")]).plan()) == ["local"]


def test_nothing_below_a_rung_that_has_delivered_is_asked():
    wanted = need()
    assert obtained(Appliance([wanted], chains=[toy("toy", wanted)]).plan()) == []


def test_what_has_no_chain_at_all_yet_is_not_deployed():
    made = Appliance([need(sources=("toy",))]).plan()
    assert kinds(made) == [Obtain]


def test_a_module_that_needs_no_chain_is_not_deployed():
    made = plan(NOW, [Declared("static", "settings")], [], Appliance([]).state)
    assert made.actions == ()


def test_a_failed_order_is_held_back_until_its_next_try():
    wanted = need()
    at = NOW + 3 * HOUR
    appliance = Appliance([wanted], orders=[failed(wanted, retry_at=at)])
    made = appliance.plan()
    assert obtained(made) == ["local"]
    assert obtained(appliance.plan(at - timedelta(seconds=1))) == ["local"]
    assert obtained(appliance.plan(at)) == ["toy", "local"]


def test_a_permanent_failure_is_held_back_until_the_settings_of_the_source_change():
    wanted = need()
    appliance = Appliance([wanted], orders=[failed(wanted)])
    assert obtained(appliance.plan(NOW + 400 * DAY)) == ["local"]
    appliance.ladder = (UPLOADED, Toy(account="two"), LOCAL)
    assert obtained(appliance.plan()) == ["toy", "local"]


def test_a_local_source_that_failed_does_not_keep_the_rung_below_it_from_being_asked():
    wanted = need()
    held = failed(wanted, LOCAL, retry_at=NOW + HOUR)
    assert obtained(Appliance([wanted], ladder=(LOCAL, SLOW), orders=[held]).plan()) == ["slow"]
    assert obtained(Appliance([wanted], ladder=(LOCAL, SLOW)).plan()) == ["local"]


def test_an_order_that_another_process_works_at_is_left_alone_but_not_forgotten():
    wanted = need()
    appliance = Appliance([wanted], leased=frozenset({(wanted.request.id, "toy")}))
    made = appliance.plan()
    assert obtained(made) == ["local"]
    assert made.next_at == NOW + WAITING_AGAIN


# Uploads


def test_while_an_upload_is_bound_nobody_is_asked_until_its_last_third():
    bound = upload("upload", since=NOW, days=90)
    appliance = Appliance([need()], chains=[bound])
    for days, asked in ((0, []), (59.9, []), (60, ["toy"]), (85.4, ["toy"]), (85.5, ["toy", "local"])):
        assert obtained(appliance.plan(NOW + days * DAY)) == asked
    assert appliance.deployed().settled().next_at is not None
    appliance.endpoints = []
    assert appliance.plan().next_at == NOW + 60 * DAY


def test_when_an_upload_ends_the_next_rung_takes_over_in_the_same_pass():
    appliance = Appliance(
        [need("gw.home.arpa")], chains=[upload("upload", "gw.home.arpa", since=NOW, days=1)]
    ).deployed()
    made = appliance.plan(NOW + DAY)
    assert obtained(made) == ["local"]
    appliance.settled(NOW + DAY)
    assert appliance.live["mail"]["default"].startswith("local 1")


def test_a_rung_above_the_uploads_is_asked_though_one_is_bound():
    appliance = Appliance([need()], chains=[upload("upload")], ladder=(TOY, UPLOADED, LOCAL))
    assert obtained(appliance.plan()) == ["toy"]


def test_an_upload_that_is_not_valid_yet_is_awaited_and_then_bound():
    begins = NOW + 2 * DAY
    appliance = Appliance([need("gw.home.arpa")], chains=[upload("soon", "gw.home.arpa", since=begins)]).deployed()
    appliance.endpoints = []
    assert appliance.plan().next_at == begins
    assert the_deploy(appliance.plan(begins)).reason == "another chain for default"


# Renewal


@pytest.mark.parametrize(("days", "due"), [(90, 60), (47, 47 * 2 / 3), (10, 10 * 2 / 3), (9, 4.5), (6, 3)])
def test_a_chain_is_renewed_at_a_third_of_its_life_or_a_half_of_a_short_one(days, due):
    wanted = need("gw.home.arpa")
    appliance = Appliance([wanted], chains=[local("local", wanted, since=NOW, days=days)]).deployed()
    assert obtained(appliance.plan(NOW + due * DAY - timedelta(seconds=1))) == []
    assert obtained(appliance.plan(NOW + due * DAY)) == ["local"]


def test_only_what_is_bound_is_renewed():
    wanted = need()
    chains = [toy("toy", wanted, since=NOW - DAY), local("old local one", wanted, since=NOW - 80 * DAY)]
    assert obtained(Appliance([wanted], chains=chains).plan()) == []


def test_local_chains_are_made_anew_when_the_root_has_changed():
    wanted = need("gw.home.arpa")
    appliance = Appliance([wanted]).deployed()
    appliance.root = "e" * 64
    [action] = the_actions(Obtain, appliance.plan())
    assert action.reason == "the root has changed"
    appliance.settled()
    assert {each.root for each in appliance.chains} == {ROOT, "e" * 64}
    assert next(each for each in appliance.chains if each.root == "e" * 64).id == appliance.live["mail"]["default"]


# Deploying


def test_the_reason_of_a_deployment_says_what_changed():
    wanted = [need("gw.home.arpa"), need("gw.home.arpa", slot="imap")]
    appliance = Appliance(wanted).deployed()
    appliance.inputs = "other settings"
    assert the_deploy(appliance.plan()).reason == "its settings, templates or host facts changed"
    appliance.needs = wanted[:1]
    assert the_deploy(appliance.plan()).reason == "imap is no longer needed"
    appliance.needs = [need("gw.home.arpa", slot=slot) for slot in "abcde"]
    assert the_deploy(appliance.plan()).reason == "another chain for a, b, c and 2 more"


def test_a_refused_chain_gives_way_to_the_one_in_service_and_comes_back():
    wanted = need("gw.home.arpa")
    appliance = Appliance([wanted]).deployed()
    before = appliance.live["mail"]["default"]
    bad = upload("bad", "gw.home.arpa")
    appliance.chains.append(bad)
    appliance.unwanted = frozenset({bad.id})
    made = appliance.settled()
    assert (made.bindings[0].chain, made.bindings[0].refused) == (before, (bad.id,))
    assert appliance.live["mail"]["default"] == before
    assert made.next_at is not None
    assert made.next_at <= NOW + HOUR
    again = the_deploy(appliance.plan(NOW + HOUR))
    assert (again.chains["default"], again.reason) == (bad.id, "what was refused is tried again")
    appliance.unwanted = frozenset()
    made = appliance.settled(NOW + HOUR)
    assert appliance.live["mail"]["default"] == made.bindings[0].chain == bad.id


def test_a_refused_chain_gives_way_to_the_next_rung_where_nothing_good_is_in_service():
    wanted = need()
    bad, next_one = upload("bad"), toy("toy", wanted)
    appliance = Appliance([wanted], chains=[bad, next_one], refusals=[refusal(bad.id, at=NOW + HOUR)])
    action = the_deploy(appliance.plan())
    assert action.chains == {"default": next_one.id}
    assert (action.bound, action.better) == ({"default": next_one.id}, {bad.id})


def test_a_slot_whose_only_chain_is_refused_is_not_tried_before_its_time():
    wanted = need(sources=("uploaded",))
    bad = upload("bad")
    appliance = Appliance([wanted], chains=[bad], unwanted=frozenset({bad.id})).deployed()
    appliance.live["mail"]["default"] = "gone"
    assert kinds(appliance.plan()) == []


def test_a_chain_in_service_that_is_no_longer_good_is_replaced_though_the_bound_one_is_refused():
    wanted = need("gw.home.arpa")
    bad, in_service = upload("bad", "gw.home.arpa"), local("first", wanted)
    appliance = Appliance([wanted], chains=[in_service]).deployed()
    appliance.chains.append(bad)
    appliance.unwanted = frozenset({bad.id})
    appliance.settled()
    appliance.chains[0] = replace(in_service, revoked_at=NOW)
    appliance.chains.append(local("second", wanted))
    made = the_deploy(appliance.plan())
    assert made.reason == "the chain in service for default is no longer good"
    assert made.chains == {"default": appliance.chains[-1].id}
    assert made.better == {bad.id}


def test_a_chain_that_expired_without_a_successor_stays_where_it_is():
    wanted = [need(sources=("uploaded",)), need("gw.home.arpa", slot="local")]
    bound = upload("upload", since=NOW, days=1)
    appliance = Appliance(wanted, chains=[bound]).deployed()
    later = NOW + 2 * DAY
    appliance.settled(later)
    assert appliance.plan(later).bindings[0].chain is None
    assert appliance.live["mail"]["default"] == bound.id


def test_another_slot_that_refuses_the_same_chain_is_still_brought_up_to_date():
    wanted = need()
    appliance = Appliance([wanted], chains=[upload("now")]).deployed()
    appliance.live["mail"]["default"] = upload("before").id
    appliance.chains.append(upload("before", since=NOW - 9 * DAY))
    assert the_deploy(appliance.plan()).reason == "another chain for default"


def test_the_refusal_by_one_slot_does_not_stand_for_another_slot_of_the_same_chain():
    wild, exact = upload("wild", "*.chain.dev"), upload("exact")
    appliance = Appliance([need(slot="a"), need("api.chain.dev", slot="b")], chains=[wild, exact]).deployed()
    assert appliance.live["mail"] == {"a": exact.id, "b": wild.id}
    appliance.refusals = [refusal(wild.id, slot="a", at=NOW - MINUTE)]
    assert kinds(appliance.plan()) == []


def test_a_refused_configuration_is_tried_again():
    appliance = Appliance([need("gw.home.arpa")]).deployed()
    at = NOW + 10 * MINUTE
    appliance.refusals = [refusal("digest", slot="", at=at, kind=RefusedKind.CONFIGURATION)]
    appliance.endpoints = []
    made = appliance.plan()
    assert (made.actions, made.next_at) == ((), at)
    assert the_deploy(appliance.plan(at)).reason == "what was refused is tried again"


def test_a_refusal_that_names_no_part_is_tried_again_too():
    appliance = Appliance([need("gw.home.arpa")]).deployed()
    at = NOW + 10 * MINUTE
    appliance.deployments["mail"] = replace(appliance.deployments["mail"], outcome=Outcome.REFUSED, retry_at=at)
    assert kinds(appliance.plan()) == []
    assert the_deploy(appliance.plan(at)).reason == "what was refused is tried again"


def test_a_module_that_is_gone_is_retired_unless_it_is_only_broken():
    appliance = Appliance([need("gw.home.arpa")]).deployed()
    appliance.needs = []
    assert [describe(each) for each in appliance.plan().actions] == ["take out mail: it is no longer configured"]
    assert kinds(appliance.plan(configured={"mail"})) == []


# Waiting, drift, looking


def test_a_service_that_was_not_running_is_looked_at_in_each_pass():
    appliance = Appliance([need("gw.home.arpa")]).deployed()
    appliance.deployments["mail"] = replace(appliance.deployments["mail"], outcome=Outcome.WAITING)
    made = appliance.plan()
    assert [describe(each) for each in made.actions] == ["look again at mail: its service was not running"]
    assert made.next_at == NOW + WAITING_AGAIN


def test_endpoints_are_looked_at_when_their_time_has_come():
    appliance = Appliance([need("gw.home.arpa")]).deployed()
    assert appliance.plan().next_at == NOW + 15 * MINUTE
    made = appliance.plan(NOW + 15 * MINUTE)
    assert [describe(each) for each in made.actions] == ["look at mail: its endpoints were not looked at for a while"]


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (Outcome.LIVE, "what is served is not what was deployed"),
        (Outcome.ROLLED_BACK, "it was rolled back"),
        (Outcome.BROKEN, "it is broken"),
    ],
)
def test_what_is_not_served_is_made_anew_with_back_off(outcome: Outcome, reason: str):
    appliance = Appliance([need("gw.home.arpa")]).deployed()
    appliance.endpoints = [endpoint("mail", ok=False)]
    at = NOW + 10 * MINUTE
    appliance.deployments["mail"] = replace(appliance.deployments["mail"], outcome=outcome, retry_at=at)
    made = appliance.plan()
    assert (made.actions, made.next_at) == ((), at)
    action = the_deploy(appliance.plan(at))
    assert (action.reason, action.repair) == (reason, True)


# Windows

NIGHT = parse_window("03:00-05:00")


def test_a_window_keeps_the_present_chain_until_it_opens():
    wanted = need("gw.home.arpa")
    appliance = Appliance([wanted], windows={"mail": NIGHT}).deployed()
    appliance.chains.append(upload("new", "gw.home.arpa"))
    opens = datetime(2026, 11, 2, 3, tzinfo=UTC)
    made = appliance.plan()
    assert (made.actions, made.deferred) == ((), {"mail": opens})
    assert made.next_at is not None
    assert made.next_at <= opens
    assert the_deploy(appliance.plan(opens)).reason == "another chain for default"
    assert the_deploy(appliance.plan(windows=False)).chains["default"] == appliance.chains[-1].id


def test_a_window_does_not_wait_for_the_first_chain():
    assert Deploy in kinds(Appliance([need()], chains=[upload("first")], windows={"mail": NIGHT}).plan())


@pytest.mark.parametrize(
    "spoil",
    [
        lambda row: replace(row, not_after=datetime(2026, 11, 2, 2, 59, tzinfo=UTC)),
        lambda row: replace(row, revoked_at=NOW),
    ],
    ids=["it expires before the window opens", "it is revoked"],
)
def test_an_end_of_the_present_chain_overrides_the_window(spoil):
    wanted = need("gw.home.arpa")
    appliance = Appliance([wanted], windows={"mail": NIGHT}).deployed()
    appliance.chains[0] = spoil(appliance.chains[0])
    appliance.chains.append(upload("new", "gw.home.arpa"))
    assert Deploy in kinds(appliance.plan())


def test_new_addresses_of_a_name_do_not_wait_for_the_window_and_bring_no_new_chain():
    appliance = Appliance([need("gw.home.arpa")], windows={"mail": NIGHT}, resolved="a").deployed()
    before = appliance.live["mail"]["default"]
    appliance.chains.append(upload("new", "gw.home.arpa"))
    appliance.resolved = "b"
    action = the_deploy(appliance.plan())
    assert (action.chains, action.reason) == ({"default": before}, "the addresses of its host names changed")
    appliance.perform(appliance.plan(), NOW)
    assert appliance.plan().actions == ()
    assert the_deploy(appliance.plan(windows=False)).reason == "another chain for default"


@pytest.mark.parametrize(("before", "after"), [("", "a"), ("a", "b"), ("a", "")])
def test_a_deployment_for_addresses_says_so(before: str, after: str):
    appliance = Appliance([need("gw.home.arpa")], resolved=before).deployed()
    appliance.resolved = after
    assert the_deploy(appliance.plan()).reason == "the addresses of its host names changed"
    appliance.inputs = "other settings"
    assert the_deploy(appliance.plan()).reason == "its settings, templates or host facts changed"
    assert appliance.deployed().plan().actions == ()


def test_a_name_is_due_beside_all_else():
    appliance = Appliance([need("gw.home.arpa")]).deployed()
    before = appliance.plan()
    appliance.names = (ResolvedName("mail", "db.lan", NOW, 60),)
    made = appliance.plan()
    assert made.next_at == NOW + timedelta(seconds=60)
    assert (made.beside_names_at, made.beside_looks_at) == (before.next_at, before.beside_looks_at)
    assert appliance.plan(NOW + timedelta(hours=2)).next_at == NOW + timedelta(hours=2)


def test_a_repair_before_the_window_opens_brings_nothing_new():
    appliance = Appliance([need("gw.home.arpa")], windows={"mail": NIGHT}).deployed()
    before = appliance.live["mail"]["default"]
    appliance.chains.append(upload("new", "gw.home.arpa"))
    appliance.endpoints = [endpoint("mail", ok=False)]
    action = the_deploy(appliance.plan())
    assert action.repair
    assert action.chains == {"default": before}
    appliance.perform(appliance.plan(), NOW)
    assert appliance.plan().deferred == {"mail": datetime(2026, 11, 2, 3, tzinfo=UTC)}


# For programs


def test_a_plan_as_json_has_plain_types_only():
    appliance = Appliance([need()], chains=[upload("upload")])
    assert plan_json(appliance.plan()) == {
        "actions": [
            {
                "action": "deploy",
                "module": "mail",
                "reason": "it has no generation yet",
                "chains": {"default": appliance.chains[0].id},
            }
        ],
        "next_at": "2026-12-30T12:00:00Z",
        "deferred": {},
    }
    assert plan_json(Appliance([need()], root=None).plan())["actions"][:2] == [
        {"action": "make_root", "reason": "the appliance has no root yet"},
        {
            "action": "obtain",
            "reason": "there is no toy chain yet",
            "source": "toy",
            "names": ["www.chain.dev"],
            "needs": [{"module": "mail", "slot": "default"}],
        },
    ]


# Whatever happens


class Moody(Toy):
    """Renews very early, so that orders and uploads meet in all ways."""

    name: ClassVar[str] = "moody"


HOURS = st.builds(
    lambda start, length, zone: Hours(time(start), time((start + length) % 24), zone),
    st.integers(0, 23),
    st.integers(1, 23),
    st.sampled_from(["UTC", "Asia/Kolkata"]),
)
NEEDS = st.lists(
    st.builds(
        lambda name, module, slot, sources: need(name, module=module, slot=slot, sources=sources),
        st.sampled_from(["www.chain.dev", "api.chain.dev", "gw.home.arpa"]),
        st.sampled_from(["mail", "web"]),
        st.sampled_from(["a", "b"]),
        st.sampled_from([None, ("uploaded",), ("toy", "local"), ("uploaded", "toy")]),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda each: each.key,
)
UPLOADS = st.lists(
    st.builds(
        lambda label, names, since, days, key_type: upload(
            f"{label:x}", *names, since=NOW + since * HOUR, days=days, key_type=key_type
        ),
        st.integers(16, 200),
        st.sampled_from([("www.chain.dev",), ("*.chain.dev",), ("gw.home.arpa",), ("api.chain.dev", "www.chain.dev")]),
        st.integers(-90, 40),
        st.sampled_from([1, 2, 5, 40]),
        st.sampled_from([KeyType.ECDSA_P256, KeyType.RSA_2048]),
    ),
    max_size=4,
    unique_by=lambda each: each.id,
)


@st.composite
def appliances(draw: st.DrawFn) -> Appliance:
    uploads = draw(UPLOADS)
    unwanted = draw(st.sets(st.sampled_from(uploads))) if uploads else set()
    return Appliance(
        draw(NEEDS),
        chains=uploads,
        ladder=draw(st.permutations(LADDER).map(tuple)),
        root=draw(st.sampled_from([None, ROOT])),
        windows=draw(st.dictionaries(st.sampled_from(["mail", "web"]), HOURS)),
        unwanted=frozenset(each.id for each in unwanted),
    )


@settings(max_examples=150, deadline=None)
@given(appliances(), st.lists(st.floats(0.001, 0.999), min_size=3, max_size=3))
def test_nothing_is_due_before_the_instant_that_the_plan_names_and_every_pass_comes_to_an_end(appliance, fractions):
    now = NOW
    for _ in range(12):
        made = appliance.settled(now)
        if made.next_at is None:
            assert appliance.plan(now + 4000 * DAY).actions == ()
            return
        assert made.next_at > now
        for fraction in fractions:
            between = now + (made.next_at - now) * fraction
            early = [describe(action) for action in appliance.plan(between).actions]
            assert early == [], f"at {between}, before {made.next_at}"
        now = made.next_at


@settings(max_examples=100, deadline=None)
@given(appliances(), st.randoms())
def test_planning_is_deterministic_and_changes_nothing(appliance, shuffler):
    first = appliance.plan()
    assert appliance.plan() == first
    shuffler.shuffle(appliance.chains)
    shuffler.shuffle(appliance.refusals)
    assert appliance.plan() == first


@settings(max_examples=100, deadline=None)
@given(appliances())
def test_whatever_is_chosen_for_a_slot_is_known_and_nobody_is_asked_twice(appliance):
    for step in range(4):
        made = appliance.plan(NOW + step * DAY)
        known = {each.id for each in appliance.chains}
        for action in the_actions(Deploy, made):
            assert set(action.chains.values()) <= known
        asked = [(each.request.id, each.source) for each in the_actions(Obtain, made)]
        assert len(asked) == len(set(asked))
        appliance.perform(made, NOW + step * DAY)


def test_the_other_source_of_these_tests_is_told_apart():
    assert {Moody().name, record("x", "y").source} == {"moody", "y"}
