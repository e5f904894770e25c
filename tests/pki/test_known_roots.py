"""Trust anchors: which there are, and when their files are read."""

from pathlib import Path

import pytest

from agent.errors.upload import TrustUnreadable
from agent.pki.anchors import SYSTEM_BUNDLE, Anchors, load_anchors
from agent.system.layout import Layout
from support.cas.certificates import NOW, pem, root
from support.fakes.uploads import BUNDLE, CA, LEAF, ROOT, bundle_of, der, findings, look, refusal

OTHER = root("Other Root")
OWN = root("Own Root")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path)
    made.trust.mkdir(parents=True, mode=0o755)
    return made


def put(layout: Layout, name: str, data: bytes, mode: int = 0o644) -> Path:
    path = layout.trust / name
    path.write_bytes(data)
    path.chmod(mode)
    return path


def test_own_roots_those_of_the_directory_and_the_system_s_are_known(layout: Layout, tmp_path: Path):
    bundle = tmp_path / "system.crt"
    bundle.write_bytes(pem(OTHER.certificate, OWN.certificate))
    put(layout, "company.pem", b"# the company's\n" + BUNDLE)
    put(layout, "company.crt", der(ROOT.certificate))
    put(layout, "README", b"not a certificate")
    anchors = load_anchors(layout, own=[OWN.certificate], bundle=bundle)
    assert list(anchors) == [OWN.certificate, ROOT.certificate, CA.certificate, OTHER.certificate]
    assert anchors.named(CA.certificate.subject) == [CA.certificate]
    assert anchors.named(LEAF.certificate.subject) == []
    assert ROOT.certificate in anchors
    assert root("Toy Root").certificate not in anchors
    assert look(bundle_of(LEAF), anchors=anchors).chain.presented == (LEAF.certificate, CA.certificate)


def test_without_any_file_nothing_is_known(tmp_path: Path):
    assert list(load_anchors(Layout(tmp_path), bundle=tmp_path / "missing")) == []
    assert list(Anchors()) == []


def test_files_are_read_when_they_are_needed(layout: Layout):
    put(layout, "broken.pem", b"nonsense")
    anchors = load_anchors(layout, bundle=None)
    assert refusal(bundle_of(root("x")), anchors=anchors).startswith('The key belongs to "x"')
    with pytest.raises(TrustUnreadable):
        list(anchors)


@pytest.mark.parametrize(
    ("name", "data", "mode", "cause", "fix"),
    [
        (
            "a.pem",
            b"nonsense",
            0o644,
            "A certificate can't be read: it is not a certificate in DER form (it is cut short)",
            "Put certificates in PEM or DER form there, or remove the file.",
        ),
        (
            "b.crt",
            pem(ROOT.certificate) + pem(CA.certificate).replace(b"M", b"A", 3),
            0o644,
            "A certificate can't be read: number 2 is not well-formed (it begins with something else)",
            "Put certificates in PEM or DER form there, or remove the file.",
        ),
        ("c.pem", BUNDLE, 0o666, "every user can write to it (mode 0666)", "chmod go-w {path}"),
    ],
)
def test_a_broken_file_of_the_directory_is_named(layout: Layout, name, data, mode, cause, fix):
    path = put(layout, name, data, mode)
    message = f"{path}: A file of trusted roots can't be used: {cause}.\n{fix.format(path=path)}"
    assert refusal(bundle_of(LEAF), anchors=load_anchors(layout, bundle=None)) == message


def test_what_is_no_file_is_named(layout: Layout, tmp_path: Path):
    (layout.trust / "folder.pem").mkdir()
    assert "folder.pem: A file of trusted roots can't be used: is a directory." in refusal(
        bundle_of(LEAF), anchors=load_anchors(layout, bundle=None)
    )
    nowhere = Anchors(directory=tmp_path / "file")
    (tmp_path / "file").write_text("")
    assert refusal(bundle_of(LEAF), anchors=nowhere).startswith(
        f"{tmp_path / 'file'}: A file of trusted roots can't be used: not a directory."
    )


def test_what_can_not_be_read_of_the_system_s_file_is_not_known(tmp_path: Path):
    bundle = tmp_path / "system.crt"
    bundle.write_bytes(pem(OTHER.certificate).replace(b"M", b"A", 3) + pem(ROOT.certificate))
    assert list(Anchors(bundle=bundle)) == [ROOT.certificate]


def test_the_system_s_own_file_is_read_without_a_warning():
    assert SYSTEM_BUNDLE.exists() is bool(list(Anchors(bundle=SYSTEM_BUNDLE)))


def test_a_root_of_the_same_name_with_another_key_is_not_the_issuer(layout: Layout):
    put(layout, "namesake.pem", pem(root("Toy Root").certificate))
    anchors = load_anchors(layout, own=[root("Toy Root").certificate], bundle=None)
    assert '"Toy CA" was issued by "Toy Root", which is neither' in refusal(bundle_of(LEAF, CA), anchors=anchors)
    put(layout, "right.pem", pem(ROOT.certificate))
    anchors = load_anchors(layout, own=[root("Toy Root").certificate], bundle=None)
    assert findings(bundle_of(LEAF, CA), anchors=anchors, now=NOW)[1] == "ok: chain complete (Toy CA > Toy Root)"
