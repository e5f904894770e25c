"""A root's whole life on an appliance with a module and branches: what it serves is taken by who knows either root."""

import subprocess
from datetime import datetime, timedelta

import pytest

from agent.errors.root import RootEndsTooSoon, RootStepTooLate
from agent.model.events import EventKind
from agent.model.root import RootPhase, RootRecord, preparation_instant
from agent.operations.root import reissue_root, upload_root
from agent.operations.root_steps import begin_signing
from agent.pki.authority import Root
from agent.pki.certificate import load_certificates, title_of
from agent.pki.chain import Chain, KeyType, Purpose
from support.appliances.branching import HeadOffice
from support.cas import certificates as toy_ca
from support.cas.certificates import DAY, pem
from support.clients.terminal import Terminal

YEAR = "[root]\nlifetime_days = 400\noverlap_days = 20\n"
PREPARED, SIGNING, REPLACED, RETIRED = RootPhase


@pytest.fixture
def office(appliance) -> HeadOffice:
    found = HeadOffice.__new__(HeadOffice)
    found.appliance, found.requests, found.up = appliance, {}, appliance.root / "up"
    found.up.write_text("")
    appliance.drop_in("branches")
    found.settings(YEAR)
    appliance.apply()
    return found


def roots(office: HeadOffice) -> list[RootRecord]:
    with office.appliance.store() as store:
        return store.roots.all()


def phases(office: HeadOffice) -> list[RootPhase]:
    return [each.phase for each in roots(office)]


def served(office: HeadOffice) -> Chain:
    with office.appliance.store() as store:
        (binding,) = store.modules.bindings()
        chain = store.chains.load(binding.chain or "")
    assert chain is not None
    assert pem(*chain.presented) in (office.live / "office.pem").read_bytes()
    return chain


def taken_by(office: HeadOffice, chain: Chain) -> list[str]:
    """Return the subjects of the roots by which alone OpenSSL takes a chain now."""
    return [each.subject for each in roots(office) if _accepts(office, each, chain)]


def _accepts(office: HeadOffice, root: RootRecord, chain: Chain, others: str = "") -> bool:
    known, leaf, rest = (office.appliance.root / f"{name}.pem" for name in ("known", "leaf", "rest"))
    known.write_text(root.certificates)
    leaf.write_bytes(pem(chain.leaf))
    rest.write_bytes(others.encode() or pem(*chain.intermediates))
    between = ["-untrusted", rest] if rest.stat().st_size else []
    at = str(int(office.appliance.clock().timestamp()))
    command = ["openssl", "verify", "-no-CApath", "-no-CAstore", "-attime", at, "-CAfile", known, *between, leaf]
    return subprocess.run(command, capture_output=True, timeout=20, check=False).returncode == 0


def believed(office: HeadOffice) -> list[str]:
    found = load_certificates((office.live / "believed.pem").read_bytes())
    return [title_of(each) for each in found]


def events(office: HeadOffice, kind: EventKind) -> list[str]:
    return [each.text for each in office.appliance.events if each.kind is kind]


def pass_at(office: HeadOffice, moment: datetime) -> None:
    office.appliance.clock.advance(seconds=(moment - office.appliance.clock()).total_seconds() + 60)
    office.appliance.apply()


def test_a_root_is_succeeded_in_time_and_who_knows_either_takes_what_is_served_all_along(office):
    (first,) = roots(office)
    due = preparation_instant(first)
    old, year = first.subject, due.year
    new = f"{old} {year}"
    office.sign("branch-1")

    pass_at(office, due - timedelta(hours=5))
    assert phases(office) == [SIGNING]
    pass_at(office, due)
    assert phases(office) == [PREPARED, SIGNING]
    successor, present = roots(office)
    assert successor.subject == new
    chain = served(office)
    assert (chain.issuer, taken_by(office, chain)) == (old, [new, old])
    assert believed(office) == [old, new]

    assert successor.signs_at is not None
    pass_at(office, successor.signs_at)
    assert phases(office) == [SIGNING, REPLACED]
    chain = served(office)
    assert (chain.issuer, taken_by(office, chain)) == (new, [new, old])
    assert chain.usable_until <= present.not_after
    assert believed(office) == [new, old]
    again = next(each for each in office.peers() if each.current)
    assert (again.label, again.root) == ("branch-1", successor.sha256)

    last = max(each.not_after for each in office.peers() if each.root == present.sha256)
    pass_at(office, last - 2 * DAY)
    assert phases(office) == [SIGNING, REPLACED]
    assert len(taken_by(office, served(office))) == 2
    pass_at(office, last)
    assert phases(office) == [SIGNING, RETIRED]
    assert believed(office) == [new]
    assert taken_by(office, served(office)) == [new]
    assert office.appliance.deployment("branches").outcome in ("live", "unseen")
    assert len(events(office, EventKind.ROOT_PREPARED)) == len(events(office, EventKind.ROOT_SIGNS)) == 1
    assert events(office, EventKind.ROOT_PREPARED) == [
        f"{new} was prepared, and signs from {successor.signs_at:%Y-%m-%d} on"
    ]
    assert events(office, EventKind.ROOTS_CERTIFIED) == ["either leads to the other"]


def test_cross_certificates_are_handed_out_and_lead_who_knows_one_root_alone_to_the_other(office):
    typed = Terminal(office.appliance.root)
    assert "no other root is believed beside the present one" in typed.run("root", "download", "--cross").stderr
    office.appliance.change(reissue_root, at_once=False)
    assert "the next run of the agent makes it" in typed.run("root", "download", "--cross").stderr
    office.appliance.apply()
    assert typed.run("root", "download").stdout == "".join(each.certificates for each in reversed(roots(office)))
    cross = typed.run("root", "download", "--cross").stdout
    assert cross.count("BEGIN CERTIFICATE") == 2
    with office.appliance.store() as store:
        opened = [store.roots.load(each.sha256) for each in roots(office)]
    for root in filter(None, opened):
        leaf = root.issue(["gw.example.test"], KeyType.ECDSA_P256, Purpose.SERVER, office.appliance.clock())
        assert [_accepts(office, each, leaf, cross) for each in roots(office)] == [True, True]
        assert [_accepts(office, each, leaf) for each in roots(office)].count(True) == 1
    office.appliance.change(reissue_root)
    assert typed.run("root", "download", "--cross").returncode == 1


def test_a_root_that_begins_before_any_pass_is_served_with_its_cross_certificate(office):
    old = roots(office)[0].subject
    made = office.appliance.change(reissue_root, at_once=False)
    office.appliance.change(begin_signing, office.appliance.clock())
    assert phases(office) == [SIGNING, REPLACED]
    office.appliance.apply()
    assert taken_by(office, served(office)) == [made.subject, old]


def test_a_person_may_prepare_one_and_a_second_takes_its_place(office):
    old = roots(office)[0].subject
    made = office.appliance.change(reissue_root, at_once=False)
    office.appliance.apply()
    assert (phases(office), taken_by(office, served(office))) == ([PREPARED, SIGNING], [made.subject, old])
    second = office.appliance.change(reissue_root, at_once=False)
    office.appliance.apply()
    assert phases(office) == [PREPARED, RETIRED, SIGNING]
    assert len({old, made.subject, second.subject}) == 3
    assert taken_by(office, served(office)) == [second.subject, old]


def test_a_root_that_would_end_before_it_signs_is_not_prepared(office):
    brief = toy_ca.root("Brief Root", now=office.appliance.clock(), days=21, cert_sign=True)
    with pytest.raises(RootEndsTooSoon, match=r'The root "Brief Root" ends at .* and would begin to sign at '):
        office.appliance.change(upload_root, Root(brief.key, brief.certificate), at_once=False)
    assert phases(office) == [SIGNING]


def test_one_that_lasts_for_a_day_signs_after_a_quarter_of_it(office):
    office.settings("[root]\nlifetime_days = 1\n")
    office.appliance.change(reissue_root, at_once=False)
    prepared = roots(office)[0]
    assert prepared.signs_at is not None
    assert (prepared.signs_at - office.appliance.clock()) < DAY / 4 < prepared.not_after - office.appliance.clock()


def test_a_date_for_the_next_root_lies_within_its_life_and_that_of_the_present_one(office):
    office.settings("[root]\nlifetime_days = 800\n")
    office.appliance.change(reissue_root, at_once=False)
    prepared, present = roots(office)
    for late in (present.not_after - 19 * DAY, prepared.not_after - DAY):
        with pytest.raises(RootStepTooLate, match=f'The root "{prepared.subject if late > present.not_after else ""}'):
            office.appliance.change(begin_signing, late)
    office.appliance.change(begin_signing, present.not_after - 20 * DAY)
    pass_at(office, present.not_after - DAY)
    assert phases(office) == [SIGNING, REPLACED]


def test_at_once_means_that_the_one_before_is_believed_no_longer(office):
    made = office.appliance.change(reissue_root)
    office.appliance.apply()
    assert (phases(office), taken_by(office, served(office))) == ([SIGNING, RETIRED], [made.subject])
    assert believed(office) == [made.subject]


def test_a_root_that_ended_while_the_appliance_was_off_is_succeeded_in_one_pass(office):
    (first,) = roots(office)
    pass_at(office, first.not_after + DAY)
    assert phases(office) == [SIGNING, RETIRED]
    assert taken_by(office, served(office)) == [roots(office)[0].subject]


def test_a_root_that_a_clock_far_ahead_retired_is_believed_again_when_the_clock_is_right(office):
    (first,) = roots(office)
    pass_at(office, first.not_after + DAY)
    assert phases(office) == [SIGNING, RETIRED]
    office.appliance.clock.offset = timedelta(hours=1)
    office.appliance.apply()
    assert phases(office) == [SIGNING, REPLACED]
    assert events(office, EventKind.ROOT_BELIEVED) == [f"{first.subject}: it was retired while the clock was ahead"]
    office.appliance.apply()
    assert set(taken_by(office, served(office))) == {each.subject for each in roots(office)}


def test_a_root_that_may_not_certify_another_is_succeeded_all_the_same(office):
    narrow = toy_ca.root("Narrow Root", pathlen=0, now=office.appliance.clock(), cert_sign=True)
    office.appliance.change(upload_root, Root(narrow.key, narrow.certificate))
    made = office.appliance.change(reissue_root, at_once=False)
    office.appliance.apply()
    assert events(office, EventKind.ROOTS_CERTIFIED) == [
        "not both ways: it allows no authorities below itself (path length), and there is 1"
    ]
    assert taken_by(office, served(office)) == [made.subject, "Narrow Root"]
    pass_at(office, roots(office)[0].signs_at)
    assert taken_by(office, served(office)) == [made.subject]


@pytest.mark.parametrize("kind", ["root_prepared", "roots_certified", "root_signs", "chain_stored", "root_retired"])
def test_it_completes_when_it_is_killed_at_any_step(office, kind):
    (first,) = roots(office)
    pass_at(office, preparation_instant(first) - DAY)
    office.appliance.clock.advance(days=1)
    if kind in ("root_signs", "root_retired"):
        office.appliance.apply()
        office.appliance.clock.advance(days=21)
    if kind == "root_retired":
        office.appliance.apply()
        office.appliance.clock.advance(days=2)
    office.appliance.dies_at(kind)
    office.appliance.apply()
    for _ in range(2):
        office.appliance.clock.advance(days=21)
        office.appliance.apply()
    assert phases(office) == [SIGNING, RETIRED]
    assert len(taken_by(office, served(office))) == 2
