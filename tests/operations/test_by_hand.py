"""Uploads, reissue and the root: what an administrator does by hand, on services that are seen to follow."""

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding

from agent.errors.operations import (
    AlreadyUploaded,
    ChainInUse,
    NameNotCovered,
    NotDeletable,
    NothingToReissue,
    NotNeeded,
    RootAlreadyPresent,
    UploadsNotAllowed,
)
from agent.errors.pins import PinUnusable
from agent.errors.problem import rfc3339
from agent.errors.usage import UnknownChain
from agent.model.deployment import Step
from agent.model.finding import Finding, Severity, SubjectKind
from agent.operations.pins import pin
from agent.operations.reissue import reissue
from agent.operations.root import reissue_root, upload_effects, upload_root
from agent.operations.uploads import check_upload, delete_upload, store_upload
from agent.pki.authority import Root
from agent.pki.chain import Chain, KeyType, Purpose
from agent.report import read_snapshot, report
from support.appliances.deployed import Deployed, served
from support.cas import certificates as toy_ca
from support.paths import DYING
from support.ports import free_port
from support.processes import prepared

SITES = ("a.example.test", "b.example.test", "c.other.test")


@pytest.fixture
def sites(appliance):
    appliance.drop_in("shared")
    appliance.port = free_port()
    names = ", ".join(f'"{name}"' for name in SITES)
    appliance.settings(
        f'hostname = "gw"\nplugins.shared.enabled = true\n[probe]\ntimeout = 3\n[services.toyd]\nport = {appliance.port}\n'
        f"[modules.front]\nport = {appliance.port}\nsites = [{names}]\n"
    )
    appliance.apply()
    appliance.start("toyd", appliance.layout.service("toyd").live / "entry.conf")
    appliance.apply()
    appliance.runner.ran.clear()
    return appliance


def bought(appliance: Deployed, *names: str, days: int = 365, key_type: KeyType = KeyType.ECDSA_P256) -> Chain:
    """A chain of somebody else's CA."""
    now = appliance.clock()
    root = Root.create("Shop CA", "", now - timedelta(days=30), now - timedelta(days=30))
    return root.issue(names, key_type, Purpose.SERVER, now, timedelta(days=days))


def chains(appliance: Deployed) -> dict[str, str]:
    with appliance.store() as store:
        return {binding.slot: binding.chain for binding in store.modules.bindings()}


def reasons(appliance: Deployed) -> dict[str, str]:
    with appliance.store() as store:
        return {binding.slot: binding.reason for binding in store.modules.bindings()}


def wire(appliance: Deployed) -> dict[str, str]:
    return {name: served(appliance.port, name) for name in SITES}


def reloads(appliance: Deployed) -> int:
    count = appliance.runner.count("SIGHUP")
    appliance.runner.ran.clear()
    return count


def test_a_wildcard_chain_serves_the_covered_sites_after_one_reload(sites):
    local = chains(sites)
    chain = bought(sites, "*.example.test")
    effects = sites.change(store_upload, chain)
    assert {each.slot for each in effects.switches} == {"a.example.test", "b.example.test"}
    sites.apply()
    assert reloads(sites) == 1
    assert wire(sites) == {SITES[0]: chain.id, SITES[1]: chain.id, SITES[2]: local[SITES[2]]}
    assert reasons(sites)[SITES[0]] == "uploaded, covers a.example.test, by *.example.test"


def test_next_years_chain_takes_over_and_the_reason_says_why(sites):
    first = bought(sites, "*.example.test")
    sites.change(store_upload, first)
    sites.apply()
    sites.clock.advance(days=300)
    second = bought(sites, "*.example.test")
    sites.change(store_upload, second)
    reloads(sites)
    sites.apply()
    assert reloads(sites) == 1
    assert wire(sites)[SITES[0]] == second.id
    assert "the newest of 2: it ends last" in reasons(sites)[SITES[0]]


def test_what_is_there_is_taken_again_where_its_authority_has_given_another_root_with_it(sites):
    chain = bought(sites, "*.example.test")
    sites.change(store_upload, chain)
    sites.apply()
    reloads(sites)
    following = toy_ca.root("Next CA", now=sites.clock()).certificate
    again = replace(chain, other_roots=(following,))
    assert sites.change(store_upload, again).switches == ()
    made = sites.apply()
    assert [each for each in made.performed if "deploy front" in each]
    assert reloads(sites) == 0, "what has no use for that root is as it was"
    with sites.store() as store:
        record, kept = store.chains.record(chain.id), store.chains.load(chain.id)
        assert store.chains.certificates(chain.id).count("BEGIN") == 2
    assert record.other_roots == toy_ca.pem(following).decode()
    assert (kept.anchor, kept.other_roots) == (chain.anchor, (following,))
    for known in (chain, again):
        with pytest.raises(AlreadyUploaded):
            sites.change(store_upload, known)


def test_what_was_uploaded_hands_over_when_it_is_deleted(sites):
    chain = bought(sites, "*.example.test")
    sites.change(store_upload, chain)
    sites.apply()
    reloads(sites)
    with pytest.raises(ChainInUse) as caught:
        sites.change(delete_upload, chain.id, confirmed=False)
    assert "front/a.example.test: a chain of local takes over" in str(caught.value)
    sites.change(delete_upload, chain.id, confirmed=True)
    sites.apply()
    assert reloads(sites) == 1
    assert wire(sites) == chains(sites)
    assert chain.id not in chains(sites).values()


def test_an_upload_that_is_not_chosen_says_what_goes_before_it_and_why(sites):
    first, second = bought(sites, "*.example.test", days=3650), bought(sites, "*.example.test", days=365)
    sites.change(store_upload, first)
    effects = sites.change(store_upload, second)
    assert effects.switches == ()
    ends = ", the other one ".join(rfc3339(each.usable_until) for each in (first, second))
    assert [(each.slot, each.chain, each.reason, each.pinnable) for each in effects.outranked] == [
        (name, first.id, f"it ends later: {ends}", True) for name in SITES[:2]
    ]
    sites.apply()
    assert wire(sites)[SITES[0]] == first.id


def test_an_upload_replaces_another_one_in_one_change(sites):
    old, new = bought(sites, "*.example.test"), bought(sites, "a.example.test")
    sites.change(store_upload, old)
    effects = sites.change(check_upload, new, replace=old.id)
    assert effects == sites.change(store_upload, new, replace=old.id)
    assert {each.slot: each.after == new.id for each in effects.switches} == {SITES[0]: True, SITES[1]: False}
    with sites.store() as store:
        assert {each.id for each in store.chains.records() if each.source == "uploaded"} == {new.id}


@pytest.mark.parametrize("kind", [NotDeletable, UnknownChain, NotNeeded])
def test_an_upload_that_is_refused_replaces_nothing(sites, kind):
    old = bought(sites, "*.example.test")
    sites.change(store_upload, old)
    new = bought(sites, "www.elsewhere.test" if kind is NotNeeded else "a.example.test")
    replaced = {NotDeletable: chains(sites)[SITES[2]], UnknownChain: "f" * 64, NotNeeded: old.id}
    with pytest.raises(kind):
        sites.change(store_upload, new, replace=replaced[kind])
    with sites.store() as store:
        assert {each.id for each in store.chains.records() if each.source == "uploaded"} == {old.id}


def test_no_generation_keeps_the_key_of_a_deleted_chain(sites):
    chain = bought(sites, "*.example.test")
    sites.change(store_upload, chain)
    sites.apply()
    sites.change(delete_upload, chain.id, confirmed=True)
    sites.apply()
    leaf = chain.presented[0].public_bytes(Encoding.PEM)
    files = [path for path in sites.layout.modules.glob("**/*.pem") if not path.is_symlink()]
    assert files
    assert not any(leaf in path.read_bytes() for path in files)


def test_an_upload_for_a_name_must_cover_it(sites):
    with pytest.raises(NameNotCovered) as caught:
        sites.change(store_upload, bought(sites, "*.example.test"), for_name="c.other.test")
    assert str(caught.value).startswith('upload: The chain does not cover "c.other.test"; it is for *.example.test.')


def test_an_upload_that_nobody_needs_is_refused_or_kept(sites):
    chain = bought(sites, "www.elsewhere.test")
    with pytest.raises(NotNeeded):
        sites.change(store_upload, chain)
    with sites.store() as store:
        assert store.chains.load(chain.id) is None
    assert sites.change(store_upload, chain, keep_unused=True).switches == ()
    with pytest.raises(AlreadyUploaded):
        sites.change(store_upload, chain)


def test_an_upload_that_is_refused_names_the_modules_that_need_its_names_and_what_they_accept(sites):
    with pytest.raises(NotNeeded) as caught:
        sites.change(store_upload, bought(sites, "*.example.test", key_type=KeyType.ECDSA_P384))
    first, second = (
        f"front/{name} needs {name}, for which this chain is unfit, "
        "as its key is ecdsa-p384, and front takes ecdsa-p256, rsa-2048"
        for name in SITES[:2]
    )
    assert caught.value.problem.lines() == [
        f"upload: No module can use the chain for *.example.test: {first}; {second}.",
        "Upload one that fits; --keep-unused keeps this one for later.",
    ]


@pytest.mark.parametrize(
    ("top", "own", "sources", "where"),
    [
        ('sources = ["local"]\n', "", "local", ""),
        ("", 'sources = ["local"]\n', "local", " of [modules.front]"),
    ],
)
def test_an_upload_says_so_where_its_source_is_not_in_the_ladder(sites, top, own, sources, where):
    text = sites.layout.settings.read_text().partition("\n")[2] if top else sites.layout.settings.read_text()
    sites.settings(top + text + own)
    chain = bought(sites, "*.example.test")
    with pytest.raises(UploadsNotAllowed) as caught:
        sites.change(check_upload, chain)
    assert caught.value.problem.lines() == [
        (
            f"upload: The chain covers what front/{SITES[0]}, front/{SITES[1]} needs, but no uploaded chain may serve there: "
            f"the sources are {sources}."
        ),
        f'Name "uploaded" in the setting `sources`{where}, or keep the chain for later with --keep-unused.',
    ]
    effects = sites.change(store_upload, chain, keep_unused=True)
    assert [each.reason for each in effects.outranked] == ["only chains of local may serve there"] * 2
    with pytest.raises(PinUnusable, match="only chains of local may serve there"):
        sites.change(pin, "front", SITES[0], chain.id)


def test_an_upload_that_no_module_needs_names_what_is_needed(sites):
    with pytest.raises(NotNeeded) as caught:
        sites.change(store_upload, bought(sites, "www.elsewhere.test"))
    assert caught.value.problem.lines() == [
        "upload: No module needs a chain for www.elsewhere.test.",
        f"Keep it for later with --keep-unused. Needed are: {', '.join(SITES)}.",
    ]


def test_a_preview_stores_nothing(sites):
    chain = bought(sites, "*.example.test")
    assert len(sites.change(check_upload, chain).switches) == 2
    with sites.store() as store:
        assert store.chains.load(chain.id) is None


def test_an_expired_upload_gives_way_without_a_person(sites):
    chain = bought(sites, "*.example.test", days=30)
    sites.change(store_upload, chain)
    sites.apply()
    sites.clock.advance(days=31)
    sites.apply()
    assert wire(sites) == chains(sites)
    assert chain.id not in chains(sites).values()


def test_reissuing_one_name_gives_it_a_new_chain_and_leaves_the_others(sites):
    before = chains(sites)
    sites.clock.advance(minutes=1)
    assert sites.change(reissue, ["a.example.test"]).names == ("a.example.test",)
    sites.apply()
    after = chains(sites)
    assert after["a.example.test"] != before["a.example.test"]
    assert after["b.example.test"] == before["b.example.test"]
    assert wire(sites) == after
    assert sites.apply().performed == ()


def test_reissuing_all(sites):
    before = chains(sites)
    sites.clock.advance(minutes=1)
    sites.change(reissue)
    sites.apply()
    assert set(before.values()).isdisjoint(chains(sites).values())
    assert reloads(sites) == 1


def test_a_typing_error_in_a_name_to_reissue_suggests(sites):
    with pytest.raises(NothingToReissue) as caught:
        sites.change(reissue, ["a.exmple.test"])
    assert "Did you mean a.example.test?" in str(caught.value)


def test_a_new_root_signs_every_local_chain_in_one_pass_and_leaves_uploads_alone(sites):
    upload = bought(sites, "c.other.test")
    sites.change(store_upload, upload)
    sites.apply()
    reloads(sites)
    before = chains(sites)
    root = sites.change(reissue_root)
    sites.apply()
    after = chains(sites)
    assert reloads(sites) == 1
    assert after[SITES[2]] == before[SITES[2]] == upload.id
    assert wire(sites) == after
    with sites.store() as store:
        records = {record.id: record for record in store.chains.records()}
        assert [each.retired_at is None for each in store.roots.all()].count(True) == 1
    assert {records[after[name]].root for name in SITES[:2]} == {root.sha256}


def test_a_new_root_signs_fifty_local_chains_in_one_pass(appliance):
    appliance.drop_in("shared")
    appliance.port = free_port()
    names = [f"s{number}.example.test" for number in range(50)]
    appliance.settings(
        f'hostname = "gw"\nplugins.shared.enabled = true\n[services.toyd]\nport = {appliance.port}\n'
        f"[modules.front]\nport = {appliance.port}\nsites = {names}\n"
    )
    appliance.apply()
    appliance.start("toyd", appliance.layout.service("toyd").live / "entry.conf")
    appliance.apply()
    reloads(appliance)
    root = appliance.change(reissue_root)
    appliance.apply()
    assert reloads(appliance) == 1
    bound = chains(appliance)
    assert {name: served(appliance.port, name) for name in names} == bound
    with appliance.store() as store:
        assert {record.root for record in store.chains.records() if record.id in bound.values()} == {root.sha256}
        assert all(endpoint.ok for endpoint in store.endpoints.all())


@pytest.mark.sampled(3)
@pytest.mark.parametrize("where", ["chain_stored", "binding_changed", *[step for step in Step if step != "going_back"]])
def test_a_new_root_completes_when_it_is_killed_at_any_step(sites, where):
    root = sites.change(reissue_root)
    argv = [DYING, sites.root, where, str(sites.clock.offset.total_seconds())]
    assert prepared.run(argv).returncode == 9
    sites.apply()
    assert wire(sites) == chains(sites)
    with sites.store() as store:
        records = {record.id: record for record in store.chains.records()}
    assert {records[chain].root for chain in chains(sites).values()} == {root.sha256}


def test_what_browsers_refuse_in_an_uploaded_root_is_a_warning_until_another_one_signs(sites):
    odd = toy_ca.root("Odd Root", key=ed25519.Ed25519PrivateKey.generate(), now=sites.clock())
    sites.change(upload_root, Root(odd.key, odd.certificate))
    sites.apply()
    (found,) = findings(sites)
    assert (found.kind, found.title, found.severity) == (SubjectKind.ROOT, "Odd Root", Severity.WARNING)
    assert found.problem.lines() == [
        (
            'The key of "Odd Root" is an Ed25519 key: Chromium, Firefox and Python\'s cryptography refuse it, '
            "and so all that it signs."
        ),
        "Make or upload another root: chainwright root reissue, or chainwright root upload",
    ]
    sites.change(reissue_root)
    sites.apply()
    assert findings(sites) == []


def findings(appliance: Deployed) -> list[Finding]:
    now = appliance.clock()
    return [*report(read_snapshot(appliance.layout, now), now).findings]


def test_an_uploaded_subordinate_authority_is_served_with_its_parents(sites):
    parent = toy_ca.root("Company Root")
    authority = parent.authority("Company Appliances")
    root = Root(authority.key, authority.certificate, (parent.certificate,))
    sites.change(upload_root, root)
    for change in (upload_effects, upload_root):  # a dry run says so, too
        with pytest.raises(RootAlreadyPresent):
            sites.change(change, root)
    sites.apply()
    assert wire(sites) == chains(sites)
    with sites.store() as store:
        chain = store.chains.load(chains(sites)[SITES[0]])
    assert [certificate.subject for certificate in chain.presented[1:]] == [authority.certificate.subject]
