"""Differences between target and live generation, composed in any combination; and isolation of those that a service refuses."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.contract.context import ChainFacts
from agent.deploy.differences import Difference, Target, with_last_configuration, with_moved_parts
from agent.deploy.isolation import MOST_TRIALS, Isolation, explained
from agent.errors import AgentError
from agent.errors.deploy import CheckRefused
from agent.model.deployment import Generation, ManifestFile, RefusedKind
from agent.rendering.render import Rendering, digest_of
from support.fakes.chains import facts

CHAIN, CONFIGURATION = RefusedKind.CHAIN, RefusedKind.CONFIGURATION
REFUSED = CheckRefused("nginx", "nginx", "no", "")


@dataclass(frozen=True)
class Site:
    """One slot: its chain, its text, and the mode of its key."""

    chain: str = "one"
    text: str = "listen 443"
    mode: int = 0o600


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def rendering(sites: Mapping[str, Site], main: str = "main") -> Rendering:
    """Return the rendering of a module: a key and a text for each site, and a main file that names them."""
    texts = {sha(site.text): site.text for site in sites.values()}
    files = []
    for slot, site in sites.items():
        chain = facts(site.chain).id
        files.append(ManifestFile(f"{slot}/key.pem", slot, site.mode, "", "", chain=chain, parts=("key", "fullchain")))
        files.append(ManifestFile(f"{slot}/site.conf", slot, 0o640, "", "", text=sha(site.text)))
    whole = f"{main}: {', '.join(sorted(sites))}"
    files.append(ManifestFile("main.conf", None, 0o640, "", "", text=sha(whole)))
    return Rendering(
        tuple(files), {**texts, sha(whole): whole}, {slot: facts(site.chain).id for slot, site in sites.items()}
    )


def target(sites: Mapping[str, Site], live: Mapping[str, Site] | None = None, **mains: str) -> Target:
    made = rendering(sites, mains.get("main", "main"))
    known: dict[str, ChainFacts] = {slot: facts(site.chain) for slot, site in sites.items()}

    def again(some: Mapping[str, ChainFacts]) -> Rendering:
        return rendering({slot: sites[slot] for slot in some}, mains.get("main", "main"))

    return Target("web", known, made, generation(live, mains.get("was", "main")) if live is not None else None, again)


def generation(sites: Mapping[str, Site], main: str = "main") -> Generation:
    made = rendering(sites, main)
    return Generation("module:web", 1, made.files, made.chains, made.digest, {})


def named(differences: Sequence[Difference]) -> list[tuple[str, str]]:
    return [(difference.slot, str(difference.kind)) for difference in differences]


# Differences


def test_nothing_differs_where_all_is_as_it_was():
    assert target({"a": Site()}, {"a": Site()}).differences() == []


def test_a_new_chain_is_a_difference_of_its_own_and_goes_before_configurations():
    different = target({"a": Site(), "b": Site("two", "listen 444")}, {"a": Site(), "b": Site()})
    assert named(different.differences()) == [("b", "chain"), ("b", "configuration")]
    chain = different.differences()[0]
    assert chain == Difference("web", "b", CHAIN, facts("two").id)
    only = different.compose(frozenset({chain}))
    assert only.chains["b"] == facts("two").id
    assert only.part("b")[1] == rendering({"b": Site()}).part("b")[1]


def test_a_first_generation_is_made_of_new_slots():
    first = target({"a": Site(), "b": Site()})
    assert named(first.differences()) == [("", "configuration"), ("a", "configuration"), ("b", "configuration")]
    without_b = first.compose(frozenset(difference for difference in first.differences() if difference.slot != "b"))
    assert without_b.digest == rendering({"a": Site()}).digest
    assert without_b.chains == {"a": facts("one").id}


def test_another_chain_for_a_new_slot_is_worth_another_try():
    [one], [two] = (
        [
            each.subject
            for each in target({"a": Site(), "n": Site(chain)}, {"a": Site()}).differences()
            if each.slot == "n"
        ]
        for chain in ("one", "two")
    )
    assert one != two


@pytest.mark.parametrize("change", [{"mode": 0o640}, {"text": "listen 444"}])
def test_whatever_is_declared_otherwise_is_a_change_of_configuration(change):
    different = target({"a": Site(**change)}, {"a": Site()})
    assert named(different.differences()) == [("a", "configuration")]
    assert different.compose(frozenset(different.differences())).digest == different.rendering.digest


def test_a_slot_that_is_gone_stays_with_what_names_it():
    different = target({"a": Site()}, {"a": Site(), "b": Site()})
    assert named(different.differences()) == [("", "configuration"), ("b", "configuration")]
    assert different.compose(frozenset()).digest == generation({"a": Site(), "b": Site()}).digest
    assert different.compose(frozenset(different.differences())).digest == generation({"a": Site()}).digest


def peers(names: str) -> Rendering:
    """Return the rendering of a module whose one site believes the issuers of these names, which are files of the module."""
    text = f"cacerts = {', '.join(f'issuer.{name}.pem' for name in names)}"
    files = [ManifestFile("a/site.conf", "a", 0o640, "", "", text=sha(text))]
    files += [ManifestFile(f"x509ca/issuer.{name}.pem", None, 0o640, "", "", text=sha(name)) for name in names]
    return Rendering(tuple(files), {sha(text): text, **{sha(name): name for name in names}}, {"a": facts("one").id})


@pytest.mark.parametrize(("was", "wanted", "expected"), [("12", "23", "231"), ("12", "13", "132"), ("1", "12", "12")])
def test_a_site_that_stays_as_it_was_keeps_the_files_that_it_names(was, wanted, expected):
    before, after = peers(was), peers(wanted)
    live = Generation("module:web", 1, before.files, before.chains, before.digest, {})
    known = {"a": facts("one")}
    different = Target(
        "web", known, after, live, lambda _some: after, lambda some: {each: before.texts[each] for each in some}
    )
    site, whole = different.differences()
    assert (site.slot, whole.slot) == ("a", "")
    kept = different.compose(frozenset({whole}))
    assert [file.path for file in kept.part(None)] == [f"x509ca/issuer.{name}.pem" for name in expected]
    assert different.compose(frozenset({site, whole})).digest == after.digest


SITES = st.dictionaries(
    st.sampled_from("abcd"),
    st.builds(Site, st.sampled_from(["one", "two"]), st.sampled_from(["x", "y"]), st.sampled_from([0o600, 0o640])),
    max_size=4,
)
MAINS = st.sampled_from(["main", "other"])


@given(SITES, st.none() | SITES, MAINS, MAINS)
def test_all_differences_make_what_is_wanted_and_none_makes_what_is_in_service(sites, live, main, was):
    different = target(sites, live, main=main, was=was)
    differences = different.differences()
    whole = different.compose(frozenset(differences))
    assert (whole.digest, whole.chains) == (different.rendering.digest, different.rendering.chains)
    assert len(set(differences)) == len(differences)
    if different.live is not None:
        none = different.compose(frozenset())
        assert (none.digest, none.chains) == (different.live.digest, different.live.chains)
        assert (differences == []) == (different.live.digest == different.rendering.digest)


@given(SITES, st.none() | SITES, MAINS, st.sets(st.integers(0, 12)))
def test_any_choice_of_differences_is_whole(sites, live, main, chosen):
    different = target(sites, live, main=main)
    differences = different.differences()
    made = different.compose(frozenset(difference for number, difference in enumerate(differences) if number in chosen))
    assert len({file.path for file in made.files}) == len(made.files)
    for file in made.files:
        assert (file.chain is None) == (file.text is not None)
        assert file.chain is None or file.chain == made.chains[file.slot or ""]
    for slot in made.chains:
        assert [file.path for file in made.part(slot)] == [f"{slot}/key.pem", f"{slot}/site.conf"]


@given(SITES, SITES)
def test_the_last_configuration_takes_the_new_chains(live, sites):
    made = with_last_configuration(generation(live), {slot: facts(site.chain) for slot, site in sites.items()})
    chains = {slot: facts((sites if slot in sites else live)[slot].chain).id for slot in live}
    assert made.chains == chains
    assert made.digest == digest_of(
        rendering({slot: Site(sites.get(slot, site).chain, site.text, site.mode) for slot, site in live.items()}).files
    )


def test_an_entry_follows_the_generations_that_it_includes():
    text = "include /s/web/1/http.conf;\ninclude /s/web/11/http.conf;\ninclude /s/mail/1;"
    entry = Generation("service:nginx", 4, (ManifestFile("e", None, 0o640, "", "", text=sha(text)),), {}, "d", {})
    made = with_moved_parts(entry, {sha(text): text}, {"/s/web/1": "/s/web/2"})
    moved = "include /s/web/2/http.conf;\ninclude /s/web/11/http.conf;\ninclude /s/mail/1;"
    assert made.texts == {sha(moved): moved}
    assert made.files[0].text == sha(moved)
    assert with_moved_parts(entry, {sha(text): text}, {}).texts == {sha(text): text}


# Finding what a service refuses


@dataclass
class ToyService:
    """Refuses whatever holds one of `bad`."""

    bad: frozenset[Difference]
    tried: list[frozenset[Difference]] = field(default_factory=list)

    def __call__(self, accepted: frozenset[Difference]) -> AgentError | None:
        self.tried.append(accepted)
        return REFUSED if accepted & self.bad else None


def differences_of(chains: int, configurations: int) -> list[Difference]:
    return [
        *(Difference("web", f"c{number}", CHAIN, f"{number}") for number in range(chains)),
        *(Difference("web", f"f{number}", CONFIGURATION, f"{number}") for number in range(configurations)),
    ]


def isolated(differences: Sequence[Difference], bad: frozenset[Difference]) -> tuple[Isolation, ToyService]:
    service = ToyService(bad)
    isolation = Isolation(service)
    isolation.run(differences, REFUSED)
    return isolation, service


@st.composite
def puzzles(draw: st.DrawFn, largest: int = 12) -> tuple[list[Difference], frozenset[Difference]]:
    differences = differences_of(draw(st.integers(0, largest)), draw(st.integers(0, largest)))
    bad = draw(st.sets(st.sampled_from(differences), min_size=1)) if differences else set()
    return differences, frozenset(bad)


@given(puzzles(6))
def test_the_bad_ones_are_found_and_all_others_are_taken(puzzle):
    differences, bad = puzzle
    isolation, _service = isolated(differences, bad)
    assert isolation.refused == dict.fromkeys(bad, REFUSED)
    assert isolation.accepted == frozenset(differences) - bad


@given(puzzles(200))
def test_the_number_of_tests_is_bounded_and_nothing_bad_is_ever_taken(puzzle):
    differences, bad = puzzle
    isolation, service = isolated(differences, bad)
    assert len(service.tried) <= MOST_TRIALS
    assert not isolation.accepted & bad
    assert isolation.accepted | set(isolation.refused) == set(differences)
    assert not isolation.accepted & set(isolation.refused)


@pytest.mark.parametrize("bad", [0, 1, 499, 500, 999])
def test_one_bad_one_among_a_thousand_is_found_without_a_test_for_each(bad: int):
    differences = differences_of(500, 500)
    isolation, service = isolated(differences, frozenset({differences[bad]}))
    assert list(isolation.refused) == [differences[bad]]
    assert isolation.accepted == frozenset(differences) - {differences[bad]}
    assert len(service.tried) <= 2 + 2 * 10


def test_new_chains_are_tried_with_the_last_good_configuration_first():
    differences = differences_of(2, 2)
    _isolation, service = isolated(differences, frozenset(differences[2:3]))
    assert service.tried[0] == frozenset(differences[:2])


def test_a_single_difference_needs_no_further_test():
    differences = differences_of(0, 1)
    isolation, service = isolated(differences, frozenset(differences))
    assert (service.tried, isolation.refused) == ([], {differences[0]: REFUSED})
    assert isolated([], frozenset())[0].accepted == frozenset()


# What people are told of what was refused


def failed(reason: str, where: str = "nginx") -> CheckRefused:
    return CheckRefused(where, where, reason, "")


A, B = (Difference("proxy", slot, CONFIGURATION, slot) for slot in "ab")
PROXY, MAIL = (Difference(module, "", CONFIGURATION, "0") for module in ("proxy", "mail"))
WHOLE = failed("unknown directive in /modules/proxy/2/a.conf:7")
AGAIN = failed("unknown directive in /modules/proxy/9/a.conf:7")
SECOND = failed("host not found in /modules/proxy/8/b.conf:2")
ARTEFACT = failed("main.cf still names the files", "postfix")


@pytest.mark.parametrize(
    ("refused", "told"),
    [
        ({A: AGAIN}, {A: WHOLE}),
        ({A: AGAIN, B: SECOND}, {A: WHOLE, B: SECOND}),
        ({A: AGAIN, PROXY: ARTEFACT}, {A: WHOLE, PROXY: WHOLE}),
        ({A: AGAIN, MAIL: SECOND}, {A: WHOLE, MAIL: SECOND}),
        ({A: ARTEFACT, PROXY: SECOND}, {A: WHOLE, PROXY: WHOLE}),
    ],
)
def test_the_first_failure_is_told_and_a_second_fault_beside_it(refused, told):
    assert explained(refused, WHOLE) == told
