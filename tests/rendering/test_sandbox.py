"""What a template may not do: reach Python, go on without end, fill the memory, be somebody else's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent.errors.deploy import TemplateRefused
from agent.rendering.templates import Templates, digest_of
from agent.system.paths import ETC


@pytest.fixture
def place(tmp_path: Path) -> Path:
    directory = tmp_path / ETC / "templates/mail"
    directory.mkdir(parents=True)
    return directory


def templates(place: Path) -> Templates:
    return Templates([place, place.parents[3] / "none"], "mail", root=place.parents[3])


def refused(place: Path, text: str, **values: object) -> str:
    (place / "t.j2").write_text(f"first line\n{text}\n")
    with pytest.raises(TemplateRefused) as caught:
        templates(place).render("t.j2", values)
    problem = caught.value.problem
    assert problem.where == f"{place}/t.j2, line 2"
    return problem.cause.removeprefix("The template can't be rendered: ")


@pytest.mark.parametrize(
    ("expression", "cause"),
    [
        ("''.__class__.__mro__[1].__subclasses__()", "access to attribute '__class__' of 'str' object is unsafe."),
        (
            "cycler.__init__.__globals__.os.popen('id').read()",
            "access to attribute '__init__' of 'type' object is unsafe.",
        ),
        ("self.__init__.__globals__", "access to attribute '__init__' of 'TemplateReference' object is unsafe."),
        ("('{0.__class__}').format(1)", "access to attribute '__class__' of 'int' object is unsafe."),
        ("(''|attr('__class__')).mro()", "access to attribute '__class__' of 'str' object is unsafe."),
        ("names.append('x')", "access to attribute 'append' of 'list' object is unsafe."),
        ("chain.hidden.__func__", "access to attribute '__func__' of 'method' object is unsafe."),
    ],
)
def test_it_does_not_reach_python_or_change_what_it_is_given(place, expression, cause):
    class Chain:
        def hidden(self) -> str:
            return ""

    names = ["a"]
    assert refused(place, f"{{{{ {expression} }}}}", names=names, chain=Chain()) == cause
    assert names == ["a"]


NESTED = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
DOUBLED = "{% set ns = namespace(x='aaaaaaaaaa') %}{% for i in range(60) %}{% set ns.x = HERE %}{% endfor %}"
CAUGHT = (
    "{% set ns = namespace(x='a') %}{% for i in range(60) %}{% set ns.x %}{{ ns.x }}{{ ns.x }}{% endset %}{% endfor %}"
)
RECURSIVE = "{% macro m(n) %}{% for i in range(9) %}{{ m(n + 1) if n < 30 }}{% endfor %}{% endmacro %}{{ m(0) }}"


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (
            "{% for i in range(1000000000) %}x{% endfor %}",
            "Range too big. The sandbox blocks ranges larger than MAX_RANGE (100000).",
        ),
        (NESTED, "it does not come to an end within 2000000 steps."),
        (RECURSIVE, "it does not come to an end within 2000000 steps."),
        (DOUBLED.replace("HERE", "ns.x ~ ns.x"), "its text is longer than 16777216 characters."),
        (DOUBLED.replace("HERE", "ns.x + ns.x"), "a text or list is longer than 16777216."),
        (CAUGHT, "its text is longer than 16777216 characters."),
        ("{{ 'x' * 1000000000 }}", "the number 1e+09 is too large there."),
        ("{{ 1000000000 * 'x' }}", "the number 1e+09 is too large there."),
        ("{{ 9 ** 9 ** 9 }}", "a number is too large."),
        ("{{ 9999999999999 * 9999999999999 }}", "a number is too large."),
        ("{{ '%1000000000d' % 1 }}", "a width in a format is too large."),
        ("{{ '%1000000000d'|format(1) }}", "a width in a format is too large."),
        ("{{ '{:1000000000}'.format(1) }}", "a width in a format is too large."),
        ("{{ 'x'|center(1000000000) }}", "the number 1e+09 is too large there."),
        ("{{ 'x'.ljust(1000000000) }}", "the number 1e+09 is too large there."),
    ],
)
def test_it_comes_to_an_end_and_keeps_its_size(place, text, cause):
    assert refused(place, text) == cause


def test_what_templates_do_is_done_as_ever(place):
    (place / "t.j2").write_text(
        "{% macro m(n) %}[{{ n }}]{% endmacro %}{% set ns = namespace(n=1) %}"
        "{% for i in range(3) %}{% set ns.n = ns.n * 2 + i %}{{ m(i) }}{% endfor %} {{ ns.n }} {{ 'a' ~ 1 ~ 'b' }} "
        "{{ '%05d port 10000'|format(7) }} {{ 'x'.ljust(3) }}| {{ names|join(', ') }} {{ '{:>4}'.format(1) }} {{ 86400 * 365 }}"
    )
    text = templates(place).render("t.j2", {"names": ["a", "b"]})
    assert text == "[0][1][2] 12 a1b 00007 port 10000 x  | a, b    1 31536000"


@pytest.mark.parametrize("opened", ["t.j2", ".", "..", "../.."])
def test_one_that_others_can_write_is_refused_and_another_is_not_taken_in_its_place(place, opened):
    (place / "t.j2").write_text("x")
    path = (place / opened).resolve()
    path.chmod(0o777)
    it = "it" if opened == "t.j2" else f"the directory {path}"
    with pytest.raises(TemplateRefused) as caught:
        templates(place).render("t.j2", {})
    assert caught.value.problem.where == str(place / "t.j2")
    assert caught.value.problem.cause == (
        f"The template can't be rendered: every user can write to {it} (mode 0777); chmod go-w {path}."
    )
    before = digest_of([place], place.parents[3])
    path.chmod(0o755)
    assert digest_of([place], place.parents[3]) != before, "so it is rendered again"
    assert templates(place).render("t.j2", {}) == "x"


def test_a_pipe_is_an_error_and_never_waited_for(place):
    os.mkfifo(place / "t.j2")
    with pytest.raises(TemplateRefused, match="it is not a regular file"):
        templates(place).render("t.j2", {})
    assert digest_of([place], place.parents[3])


def test_a_link_to_what_only_root_can_write_is_followed(place):
    elsewhere = place.parents[3] / "srv"
    elsewhere.mkdir()
    (elsewhere / "real.j2").write_text("x")
    (place / "t.j2").symlink_to(elsewhere / "real.j2")
    assert templates(place).render("t.j2", {}) == "x"
    elsewhere.chmod(0o777)
    with pytest.raises(TemplateRefused, match=f"every user can write to the directory {elsewhere}"):
        templates(place).render("t.j2", {})
