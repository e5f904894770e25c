"""Two roots on an appliance, one for RSA keys and one for the others, from the settings that want both to those that don't."""

import subprocess
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from agent.errors.root import RootAmbiguous, RootUnknown
from agent.model.root import RootPhase, RootRecord, root_named
from agent.operations.peers import revocation_list
from agent.operations.root import is_beside, prepared_effects, reissue_root, root_effects, upload_root
from agent.operations.root_steps import begin_signing, prepared_root
from agent.pki.authority import Root
from agent.pki.chain import Chain
from agent.pki.key import KeyKind, KeyType
from support.appliances.branching import HeadOffice
from support.cas import certificates as toy_ca
from support.cas.certificates import pem

ONE = '[root]\nkey_type = "ecdsa-p256"\noverlap_days = 20\n'
TWO = ONE.replace('"ecdsa-p256"', '["ecdsa-p256", "rsa-2048"]')
OLD_CLIENTS = '[modules.old]\nplugin = "branches"\ndomain = "old.example.test"\nkey_type = "rsa-2048"\nup = "{up}"\n'
PREPARED, SIGNING, REPLACED, RETIRED = RootPhase


class Box(HeadOffice):
    """An appliance with a chain for each kind of keys."""

    def want(self, roots: str) -> None:
        self.settings(OLD_CLIENTS.format(up=self.up) + roots)
        self.appliance.apply()

    def go(self, days: float) -> None:
        self.appliance.clock.advance(days=days)
        self.appliance.apply()

    def roots(self) -> list[RootRecord]:
        with self.appliance.store() as store:
            return sorted(store.roots.all(), key=lambda each: each.beside)

    def phases(self) -> list[RootPhase]:
        return [each.phase for each in self.roots()]

    def served(self, module: str) -> Chain:
        with self.appliance.store() as store:
            (chosen,) = [each.chain for each in store.modules.bindings() if each.module == module]
            chain = store.chains.load(chosen or "")
        assert chain is not None
        assert pem(*chain.presented) in (self.appliance.live(module) / "office.pem").read_bytes()
        return chain

    def taken_by(self, module: str) -> list[str]:
        """Return the kinds of the roots by which alone OpenSSL takes what a module serves."""
        return [each.key_type.kind for each in self.roots() if each.believed and self._accepts(each, module)]

    def _accepts(self, root: RootRecord, module: str) -> bool:
        chain, files = self.served(module), [self.appliance.root / f"{name}.pem" for name in ("known", "leaf", "rest")]
        for path, content in zip(files, (root.certificates.encode(), *map(pem, chain.presented[:1])), strict=False):
            path.write_bytes(content)
        files[2].write_bytes(pem(*chain.intermediates))
        between = ["-untrusted", files[2]] if chain.intermediates else []
        at = str(int(self.appliance.clock().timestamp()))
        words = ["-no-CApath", "-no-CAstore", "-attime", at, "-CAfile", files[0], *between, files[1]]
        return (
            subprocess.run(["openssl", "verify", *words], capture_output=True, timeout=20, check=False).returncode == 0
        )


@pytest.fixture
def box(appliance) -> Box:
    found = Box.__new__(Box)
    found.appliance, found.requests, found.up = appliance, {}, appliance.root / "up"
    found.up.write_text("")
    appliance.drop_in("branches")
    return found


def rsa_request() -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    made = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    return made.public_bytes(Encoding.PEM)


def algorithms(chain: Chain) -> set[str]:
    return {each.signature_algorithm_oid._name for each in chain.presented}


def test_a_second_root_takes_over_the_keys_of_its_kind_after_the_overlap_and_gives_them_back(box: Box):
    box.want(ONE)
    office = box.served("branches").id
    box.sign("branch-1")
    box.sign("branch-2", rsa_request())
    box.go(1)

    box.want(TWO)
    assert box.phases() == [SIGNING, PREPARED]
    main, other = box.roots()
    assert (main.subject, other.subject) == ("gw Root CA", "gw Root CA RSA")
    assert (other.key_type, other.beside) == (KeyType.RSA_2048, True)
    assert box.served("old").issuer == "gw Root CA"
    assert (box.taken_by("old"), box.taken_by("branches")) == ([KeyKind.ELLIPTIC, KeyKind.RSA], [KeyKind.ELLIPTIC])

    box.go(20.1)
    assert box.phases() == [SIGNING, SIGNING]
    assert (box.served("old").issuer, box.taken_by("old")) == ("gw Root CA RSA", [KeyKind.ELLIPTIC, KeyKind.RSA])
    present = {each.label: each.root for each in box.peers() if each.current}
    assert present == {"branch-1": main.sha256, "branch-2": other.sha256}

    box.go(62)  # the chain is renewed, and who needs RSA is sent nothing else
    assert (algorithms(box.served("old")), box.taken_by("old")) == ({"sha256WithRSAEncryption"}, [KeyKind.RSA])
    assert box.served("branches").issuer == "gw Root CA"

    office = box.served("branches").id
    box.want(ONE)
    assert box.phases() == [SIGNING, REPLACED]
    assert (box.served("old").issuer, box.taken_by("old")) == ("gw Root CA", [KeyKind.ELLIPTIC, KeyKind.RSA])
    assert box.served("branches").id == office
    box.go(398)
    assert box.phases() == [SIGNING, RETIRED]


def test_another_one_in_place_of_one_that_is_prepared_beside_is_of_its_kind(box: Box):
    box.want(ONE)
    box.go(1)
    box.want(TWO)
    made = box.appliance.change(reissue_root, at_once=False, beside=True)
    assert made.key_type is KeyType.RSA_2048
    box.appliance.apply()
    assert box.phases() == [SIGNING, PREPARED, RETIRED]
    assert box.appliance.change(prepared_root).sha256 == made.sha256


def test_on_a_new_appliance_both_sign_at_once_and_nothing_is_sent_beside(box: Box):
    box.want(TWO)
    assert box.phases() == [SIGNING, SIGNING]
    assert (len(box.served("old").presented), box.taken_by("old")) == (1, [KeyKind.RSA])
    assert (len(box.served("branches").presented), box.taken_by("branches")) == (1, [KeyKind.ELLIPTIC])
    with box.appliance.store() as store:
        assert revocation_list(store).root == box.roots()[0].sha256


def test_each_of_two_is_followed_by_itself(box: Box):
    box.want(TWO)
    main, other = box.roots()
    assert box.appliance.change(root_effects).resigned == ("branches/office",)
    assert box.appliance.change(root_effects, beside=True).resigned == ("old/office",)
    assert box.appliance.change(is_beside, other.sha256[:12].upper())
    assert not box.appliance.change(is_beside, main.sha256[:12])
    with pytest.raises(RootUnknown):
        box.appliance.change(is_beside, "0" * 64)
    assert root_named([main, other], other.sha256[:12].upper()) is other
    with pytest.raises(RootAmbiguous) as several:
        root_named([replace(main, sha256="ab" + "1" * 62), replace(other, sha256="ab" + "2" * 62)], "AB")
    assert str(several.value) == (
        'root: The SHA-256 of 2 roots begin with "AB".\nWrite more of it: ab11111111111111, ab22222222222222'
    )

    box.appliance.change(reissue_root, at_once=False, beside=True)
    box.appliance.apply()
    assert box.phases() == [SIGNING, PREPARED, SIGNING]
    assert box.appliance.change(prepared_effects).resigned == ("old/office",)
    office, now = box.served("branches").id, box.appliance.clock()
    box.appliance.change(begin_signing, now)
    box.appliance.apply()
    assert box.phases() == [SIGNING, SIGNING, REPLACED]
    assert box.served("old").issuer == box.roots()[1].subject
    assert box.taken_by("old") == [KeyKind.RSA, KeyKind.RSA]
    assert box.served("branches").id == office


def test_an_uploaded_one_takes_the_place_of_the_one_of_its_kind(box: Box):
    box.want(TWO)
    company = toy_ca.root("Company RSA CA", now=box.appliance.clock(), days=3000, key=rsa_key())
    box.appliance.change(upload_root, Root(company.key, company.certificate))
    box.appliance.apply()
    assert box.phases() == [SIGNING, SIGNING, RETIRED]
    assert (box.served("old").issuer, box.served("branches").issuer) == ("Company RSA CA", "gw Root CA")


def rsa_key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)
