"""What needs a root with an RSA key and has another one: when it is told, and when it doesn't matter."""

from dataclasses import replace

import pytest

from agent.health.rsa_roots import of_rsa_roots, of_unlisted_peers
from agent.model.binding import Binding, LadderPosition
from agent.model.finding import Severity
from agent.model.need import Need
from agent.model.peer import Peer
from agent.model.root import RootRecord
from agent.pki.key import KeyType
from agent.pki.purpose import Purpose
from support.cas.certificates import DAY, NOW
from support.fakes.ladder import record

ECDSA, RSA = KeyType.ECDSA_P256, KeyType.RSA_2048
MAIN = RootRecord("aa" * 32, "gw Root CA", NOW, NOW + 3650 * DAY, "", NOW, key_type=ECDSA)
BESIDE = replace(MAIN, sha256="bb" * 32, subject="gw Root CA RSA", key_type=RSA, beside=True)
OLD_CLIENTS = Need(("old.example.test",), key_types=(RSA,), module="ikev2")
EAP_TLS = Need(("vpn.example.test",), slot="laptops", lists_rsa="strongSwan for laptops (EAP-TLS)", module="ikev2")
ALL = (RSA, ECDSA)


def told(*needs: Need, roots=(MAIN,), signed_by: str | None = MAIN.sha256, accepted=ALL, wanted=(ECDSA,)) -> list[str]:
    chain = record("chain", "local", ("old.example.test",), root=signed_by)
    bindings = [Binding(each.module, each.slot, chain.id, "local", LadderPosition.WANTED) for each in needs]
    found = list(of_rsa_roots(needs, bindings, {chain.id: chain}, roots, {"ikev2": accepted}, wanted))
    assert {(each.severity, each.subject) for each in found} <= {(Severity.NOTICE, "ikev2")}
    return [f"{each.problem.cause} {each.problem.fix}" for each in found]


def test_both_are_told_with_the_setting_to_change():
    setting = 'Have an RSA root beside it: key_type = ["ecdsa-p256", "rsa-2048"] in [root]'
    assert told(EAP_TLS, OLD_CLIENTS) == [
        (
            "Only roots with RSA keys are named to clients by strongSwan for laptops (EAP-TLS), and the key of gw Root CA is "
            f"none: clients that go by that list have no certificate to show. {setting}"
        ),
        (
            "ikev2/default: for clients that can do RSA only, and signed by gw Root CA, whose key is not RSA. "
            f"Those clients refuse that. {setting}"
        ),
    ]


@pytest.mark.parametrize(
    "roots",
    [(BESIDE, MAIN), (replace(BESIDE, prepared=True), MAIN), (replace(MAIN, key_type=RSA),), ()],
    ids=["beside", "prepared", "the only one", "none"],
)
def test_nothing_is_told_where_there_is_an_rsa_root_or_will_be_or_none_at_all(roots):
    assert told(EAP_TLS, OLD_CLIENTS, roots=roots) == []


def test_a_need_that_another_chain_serves_or_whose_clients_can_do_others_is_not_spoken_of():
    assert told(OLD_CLIENTS, signed_by=None) == []
    assert told(replace(OLD_CLIENTS, key_types=(RSA, ECDSA))) == []
    assert told(OLD_CLIENTS, accepted=(RSA,)) == []  # the service can do no other, which says nothing about its clients


def test_where_the_settings_want_rsa_already_the_next_root_has_it():
    (sentence,) = told(OLD_CLIENTS, wanted=(RSA,))
    assert sentence.endswith("Have the next root made, which has one: chainwright root reissue")


def test_nothing_is_told_where_the_settings_want_both_as_the_next_pass_makes_the_other():
    assert told(EAP_TLS, OLD_CLIENTS, wanted=(ECDSA, RSA)) == []


ANNA = Peer(
    serial="5d0c",
    sha256="cd" * 32,
    module="ikev2",
    label="anna",
    names=("anna.example.test",),
    purposes=(Purpose.CLIENT,),
    root=MAIN.sha256,
    not_before=NOW,
    not_after=NOW + 397 * DAY,
    created_at=NOW,
)


def unlisted(*peers: Peer, roots=(MAIN, BESIDE), needs=(EAP_TLS,)) -> list[str]:
    return [f"{each.problem.cause} {each.problem.fix}" for each in of_unlisted_peers(needs, peers, roots)]


def test_a_peer_with_another_key_than_rsa_is_named_where_only_rsa_roots_are_listed():
    (sentence,) = unlisted(ANNA, replace(ANNA, label="bob", key_type=RSA))
    assert sentence == (
        "Only roots with RSA keys are named to clients by strongSwan for laptops (EAP-TLS). anna: the certificate is of "
        "gw Root CA, whose key is none, so that a client that goes by that list does not show it. Where it is for such a client, "
        "sign a request with an RSA key in its place. See them: chainwright root peers"
    )
    assert len(unlisted(ANNA, roots=(replace(MAIN, key_type=RSA), replace(BESIDE, key_type=ECDSA)))) == 1


@pytest.mark.parametrize(
    ("peer", "roots", "needs"),
    [
        (replace(ANNA, revoked_at=NOW), (MAIN, BESIDE), (EAP_TLS,)),
        (replace(ANNA, module="mail"), (MAIN, BESIDE), (EAP_TLS,)),
        (ANNA, (MAIN, BESIDE), (OLD_CLIENTS,)),
        (ANNA, (MAIN,), (EAP_TLS,)),
        (ANNA, (replace(MAIN, key_type=RSA),), (EAP_TLS,)),
        (ANNA, (replace(MAIN, sha256="ff" * 32, key_type=RSA, prepared=True), MAIN, BESIDE), (EAP_TLS,)),
    ],
    ids=[
        "revoked",
        "of another module",
        "nobody lists",
        "no RSA root at all",
        "the only root is RSA",
        "the next one is",
    ],
)
def test_a_peer_is_not_named_where_that_says_nothing_or_is_said_otherwise(peer, roots, needs):
    assert unlisted(peer, roots=roots, needs=needs) == []
