"""From a module and its chains to the files of a generation, as data; and what templates may print."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.contract.context import DIRECTORY_MARK, NUMBER_MARK, Context, Http01, ModulePart, ServiceContext
from agent.contract.file import ChainFile, File, Template, Text
from agent.contract.service import Service
from agent.errors.deploy import TemplateMissing, TemplateRefused
from agent.errors.plugin import DeclarationRefused
from agent.model.need import HostFacts
from agent.pki.encoding import Part
from agent.rendering.render import Ownership, Rendering, entry_of, filled_in, render_module
from agent.rendering.template_places import built_in_directory
from agent.rendering.templates import Templates, digest_of, search_path
from agent.system.layout import Layout
from support.fakes.chains import facts

HOST = HostFacts(name="gw", addresses=("192.0.2.1",))
KEY = ChainFile(path="{slot}.pem", parts=(Part.KEY, Part.FULLCHAIN))


@dataclass
class Declared:
    """Settings of a module."""

    port: int = 443
    names: Sequence[str] = ("a.example.test", "b.example.test")


@dataclass
class Shop:
    """Directories of templates: the operator's, the plugin's own."""

    root: Path

    def write(self, name: str, text: str, *, operator: bool = False) -> Path:
        path = (self.operator if operator else self.own) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    @property
    def operator(self) -> Path:
        return self.root / "operator"

    @property
    def own(self) -> Path:
        return self.root / "own"

    @property
    def templates(self) -> Templates:
        return Templates([self.operator, self.own], "mail")

    def text(self, text: str, **values: object) -> str:
        self.write("t.j2", text)
        return self.templates.render("t.j2", values)

    def module(self, *files: File, slots: Sequence[str] = ("imap", "smtp"), **more) -> Rendering:
        layout = Layout(self.root)
        context = Context(
            module="mail",
            directory=Path(DIRECTORY_MARK),
            generation=NUMBER_MARK,
            chains={slot: facts(slot) for slot in slots},
            host=HOST,
            http01=Http01(webroot=layout.webroot),
            places=layout.module("mail"),
        )
        chain_files = [file for file in files if isinstance(file, ChainFile)]
        others = [file for file in files if not isinstance(file, ChainFile)]
        owner = more.get("owner", Ownership())
        return render_module(Declared(), chain_files, others, context, self.templates, owner)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def paths(rendering: Rendering) -> list[str]:
    return [file.path for file in rendering.files]


# Files


def test_a_path_with_slot_is_one_file_for_each_slot(shop: Shop):
    shop.write("{slot}.conf.j2", "{{ slot }} {{ chains[slot].names[0] }}")
    made = shop.module(KEY, Template(path="sites/{slot}.conf", template="{slot}.conf.j2"), Text(path="all", text="x"))
    assert paths(made) == ["imap.pem", "smtp.pem", "sites/imap.conf", "sites/smtp.conf", "all"]
    assert [file.path for file in made.part("imap")] == ["imap.pem", "sites/imap.conf"]
    assert [file.path for file in made.part(None)] == ["all"]
    assert made.texts[made.part("smtp")[1].text or ""] == "smtp smtp.example.test"
    assert made.chains == {"imap": facts("imap").id, "smtp": facts("smtp").id}
    assert made.part("imap")[0].chain == facts("imap").id


def test_slot_is_filled_in_where_the_slot_is_named_and_in_what_is_published(shop: Shop):
    files = [
        replace(KEY, slot="smtp", path="{slot}/key.pem"),
        ChainFile(path="{slot}.all", parts=(Part.KEY, Part.FULLCHAIN), publish=Path("/etc/mail/{slot}.pem")),
    ]
    made = shop.module(*files)
    assert paths(made) == ["smtp/key.pem", "imap.all", "smtp.all"]
    assert [file.publish for file in made.files] == [None, "/etc/mail/imap.pem", "/etc/mail/smtp.pem"]


def test_the_part_of_a_slot_without_a_chain_is_left_out(shop: Shop):
    made = shop.module(replace(KEY, slot="imap", path="i"), Text(path="t", text="x", slot="imap"), KEY, slots=["smtp"])
    assert paths(made) == ["smtp.pem"]
    assert paths(shop.module(ChainFile(path="key.pem", parts=(Part.KEY,)), slots=[])) == []


def test_a_chain_file_of_a_module_with_one_slot_need_not_name_it(shop: Shop):
    [file] = shop.module(ChainFile(path="key.pem", parts=(Part.KEY,)), slots=["only"]).files
    assert (file.slot, file.secret, file.mode) == ("only", True, 0o600)


def test_owner_and_group_are_the_module_s_unless_a_file_says_otherwise(shop: Shop):
    files = [KEY, ChainFile(path="k", parts=(Part.KEY,), owner="u", group="g", slot="imap"), Text(path="t", text="x")]
    made = shop.module(*files, owner=Ownership("postfix", "mail"))
    assert [(file.path, file.owner, file.group) for file in made.files] == [
        ("imap.pem", "postfix", "mail"),
        ("smtp.pem", "postfix", "mail"),
        ("k", "u", "g"),
        ("t", "", "mail"),
    ]


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ([ChainFile(path="k", parts=(Part.KEY,))], 'file "k" doesn\'t say which of the slots imap, smtp it is of'),
        ([ChainFile(path="{slot}", parts=())], 'file "imap" names no part of a chain'),
        ([Text(path="a", text=""), Text(path="a", text="")], 'two files are called "a"'),
        ([Text(path="a/b", text=""), Text(path="./a//b", text="")], 'two files are called "a/b"'),
        ([Text(path="a", text=""), Text(path="a/b", text="")], '"a" is a file and the directory of "a/b"'),
        (
            [Text(path=each, text="", publish=Path("/etc/m.cf")) for each in "ab"],
            'two files are published to "/etc/m.cf"',
        ),
    ],
)
def test_files_that_do_not_hold_together_are_refused(shop: Shop, files: list[File], reason: str):
    with pytest.raises(DeclarationRefused, match=re.escape(reason)):
        shop.module(*files)


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", "", "."])
def test_a_file_stays_inside_of_its_generation(path: str):
    with pytest.raises(ValueError, match="must be relative to the generation"):
        Text(path=path, text="")


@pytest.mark.parametrize("mode", [0o644, 0o777, 0o601])
def test_a_file_is_never_open_to_everybody(mode: int):
    with pytest.raises(ValueError, match="must not be open to other users"):
        Text(path="x", text="", mode=mode)


# Digest and marks


def test_the_digest_does_not_depend_on_directory_number_or_order(shop: Shop, tmp_path: Path):
    shop.write("main.conf.j2", 'include "{{ dir }}/imap.pem"  # generation {{ generation }}')
    files = [KEY, Template(path="main.conf")]
    made = shop.module(*files)
    again = Shop(tmp_path / "elsewhere")
    again.write("main.conf.j2", 'include "{{ dir }}/imap.pem"  # generation {{ generation }}')
    assert again.module(*reversed(files)).digest == made.digest
    text = made.texts[made.part(None)[0].text or ""]
    assert filled_in(text, "/srv/7", 7) == 'include "/srv/7/imap.pem"  # generation 7'


@pytest.mark.parametrize(
    "files",
    [
        [replace(KEY, mode=0o640)],
        [replace(KEY, group="mail")],
        [replace(KEY, parts=(Part.KEY,))],
        [KEY, Text(path="t", text="x")],
        [replace(KEY, publish=Path("/etc/{slot}.pem"))],
    ],
)
def test_the_digest_changes_with_whatever_stands_on_disk(shop: Shop, files: list[File]):
    assert shop.module(*files).digest != shop.module(KEY).digest


def test_the_digest_changes_with_a_chain_and_with_a_text(shop: Shop):
    one, two = (shop.module(Text(path="t", text=text)) for text in "ab")
    assert one.digest != two.digest
    assert shop.module(KEY, slots=["a"]).digest != shop.module(KEY, slots=["b"]).digest


def test_a_template_is_given_settings_context_and_its_own_values(shop: Shop):
    shop.write(
        "t.j2", "{{ module.port }} {{ host.name }} {{ places.run.name }} {{ http01.webroot.name }} {{ own }} {{ slot }}"
    )
    made = shop.module(Template(path="t", values={"own": "mine"}))
    assert list(made.texts.values()) == ["443 gw chainwright http-01 mine "]


def test_a_template_knows_the_slot_of_a_name(shop: Shop):
    text = "{% for name in names if name | slot_of in chains %}{{ name | slot_of }} {% endfor %}"
    found = shop.text(
        text,
        names=["*.example.test", "2001:db8::1", "other.test"],
        chains={"_wildcard.example.test", "ip6-2001-db8--1"},
    )
    assert found == "_wildcard.example.test ip6-2001-db8--1 "


def test_the_entry_of_a_service_is_rendered_with_its_parts(shop: Shop):
    class Nginx(Service):
        name = "nginx"
        group = "www-data"

        def render_entry(self, context):
            return [Template(path="nginx.conf")]

    shop.write("nginx.conf.j2", "{% for part in parts %}include {{ part.directory }}\n{% endfor %}in {{ dir }}")
    layout = Layout(shop.root)
    context = ServiceContext(
        service="nginx",
        directory=Path(DIRECTORY_MARK),
        parts=(ModulePart(module="web", plugin="reverse_proxy", directory=Path("/srv/web/1")),),
        host=HOST,
        http01=Http01(webroot=layout.webroot),
        places=layout.service("nginx"),
    )
    made = entry_of(Nginx(), Nginx().render_entry(context), context, shop.templates)
    assert list(made.texts.values()) == [f"include /srv/web/1\nin {DIRECTORY_MARK}"]
    assert (made.files[0].group, made.chains) == ("www-data", {})


# Where templates come from


def test_an_operator_s_template_goes_before_the_plugin_s(shop: Shop):
    shop.write("t.j2", "plugin")
    assert shop.templates.render("t.j2", {}) == "plugin"
    shop.write("t.j2", "operator", operator=True)
    assert shop.templates.render("t.j2", {}) == "operator"


def test_an_operator_s_template_can_extend_the_one_that_it_overrides(shop: Shop):
    shop.write("t.j2", "listen {{ port }};\n{% block more %}gzip on;\n{% endblock %}")
    shop.write(
        "t.j2", '{% extends "default:t.j2" %}{% block more %}{{ super() }}http2 on;\n{% endblock %}', operator=True
    )
    assert shop.templates.render("t.j2", {"port": 443}) == "listen 443;\ngzip on;\nhttp2 on;\n"


def test_a_template_that_extends_itself_is_told_how_to(shop: Shop):
    shop.write("t.j2", "plugin")
    shop.write("t.j2", '{% extends "t.j2" %}', operator=True)
    with pytest.raises(TemplateRefused, match=r'"default:t\.j2" is the one that it overrides'):
        shop.templates.render("t.j2", {})


def test_templates_are_looked_for_at_the_operator_s_the_plugin_s_and_the_built_in_place(tmp_path: Path):
    operator, own, built_in = search_path(tmp_path, "nginx", Shop)
    assert operator == tmp_path / "nginx"
    assert own == Path(__file__).parent / "templates"
    assert built_in == built_in_directory() / "nginx"
    assert (built_in / "nginx.conf.j2").is_file()


def test_a_module_finds_what_its_services_have_for_their_modules_and_an_operator_overrides_it_for_all_or_for_one(
    tmp_path: Path,
):
    def rendered() -> str:
        return Templates(search_path(tmp_path, "web", Shop, {"nginx": Shop}), "web", 2).render("tls.conf.j2", {})

    assert "ssl_protocols TLSv1.2 TLSv1.3;" in rendered()
    override = tmp_path / "nginx/modules/tls.conf.j2"
    override.parent.mkdir(parents=True)
    override.write_text('for all: {% include "default:tls.conf.j2" %}')
    assert rendered().startswith("for all: # In each server")
    (tmp_path / "web").mkdir()
    (tmp_path / "web/tls.conf.j2").write_text('for one: {% include "default:tls.conf.j2" %}')
    assert rendered().startswith("for one: # In each server")


def test_the_digest_of_templates_changes_with_their_content_only(shop: Shop):
    shop.write("a/t.j2", "one")
    before = digest_of([shop.operator, shop.own])
    shop.write("README", "not a template")
    assert digest_of([shop.operator, shop.own]) == before
    shop.write("a/t.j2", "two")
    assert digest_of([shop.operator, shop.own]) != before


def test_the_dead_link_of_an_editor_that_is_open_does_not_stop_the_agent(shop: Shop):
    shop.write("t.j2", "one", operator=True)
    before = digest_of([shop.operator])
    (shop.operator / ".#t.j2").symlink_to("root@gw.1234:1700000000")
    assert digest_of([shop.operator]) == before


# What a template may not print

EVIL = [
    "a; user root",
    "a\nuser root;",
    "a\r",
    'a"',
    "a'",
    "a`id`",
    "a\\",
    "a{b",
    "a}b",
    "$host",
    "a # b",
    "\x00",
    "\x7f",
]
HARMLESS = ["a.example.test", "*.example.test", "2001:db8::1", "/srv/a b/c", "ümlaut", "a@b:c=d,e~f", "<&>"]
WAYS = {
    "alone": "{{ value }}",
    "by a macro": "{% macro m(x) %}[{{ x }}]{% endmacro %}{{ m(value) }}",
    "by a caller": "{% macro m() %}[{{ caller() }}]{% endmacro %}{% call m() %}{{ value }}{% endcall %}",
    "joined": '{{ ["a", value] | join(" ") }}',
    "joined with a macro's output": '{% macro m() %}x{% endmacro %}{{ [m(), value] | join(" ") }}',
    "after a macro's output": "{% macro m() %}x{% endmacro %}{{ m() ~ value }}",
    "added to a macro's output": "{% macro m() %}x{% endmacro %}{{ m() + value }}",
    "formatted": '{{ "%s" | format(value) }}',
    "marked as safe": "{{ value | safe }}",
    "escaped": "{{ value | forceescape | safe ~ value }}",
    "in a loop": "{% for each in [value] %}{{ each }}{% endfor %}",
    "set": "{% set x = value %}{{ x }}",
    "set as a block": "{% set x %}{{ value }}{% endset %}{{ x }}",
    "in a filtered block": "{% filter upper %}{{ value }}{% endfilter %}",
    "as an attribute": "{{ {'a': value}.a }}",
    "by default": "{{ missing | default(value) }}",
    "included": '{% include "inner.j2" %}',
    "imported": '{% from "macros.j2" import m %}{{ m(value) }}',
    "by super": '{% extends "base.j2" %}{% block b %}{{ super() }}{% endblock %}',
    "by self": "{% block b %}{{ value }}{% endblock %}{{ self.b() }}",
    "as a filter's argument": '{{ "ab" | replace("b", value) }}',
}


@pytest.fixture
def ways(shop: Shop) -> Shop:
    shop.write("inner.j2", "{{ value }}")
    shop.write("macros.j2", "{% macro m(x) %}{{ x }}{% endmacro %}")
    shop.write("base.j2", "{% block b %}{{ value }}{% endblock %}")
    return shop


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("evil", EVIL)
def test_no_value_adds_a_directive(ways: Shop, way: str, evil: str):
    with pytest.raises(TemplateRefused, match="must not be printed in a configuration"):
        ways.text(WAYS[way], value=evil)


@pytest.mark.parametrize("way", sorted(set(WAYS) - {"escaped", "in a filtered block"}))
@pytest.mark.parametrize("value", HARMLESS)
def test_a_harmless_value_is_printed_as_it_is(ways: Shop, way: str, value: str):
    assert value in ways.text(WAYS[way], value=value)


@given(st.text())
def test_what_is_printed_is_free_of_everything_that_ends_a_word_of_a_configuration(value: str):
    from agent.rendering.templates import _guarded

    try:
        printed = _guarded(value)
    except ValueError:
        return
    assert printed == value
    assert not set(value) & set("\n\r\"'`\\;{}$#\x00")


def test_what_a_macro_prints_itself_may_hold_anything(shop: Shop):
    text = '{% macro site(name) %}\nserver {\n  name "{{ name }}";\n}\n{% endmacro %}\n{{ site("a.test") }}'
    assert shop.text(text) == 'server {\n  name "a.test";\n}\n'
    assert shop.text("{% block b %}a;{% endblock %}{{ self.b() }}") == "a;a;"
    assert shop.text('{% set x %}a "b";{% endset %}{{ x }}') == 'a "b";'


def test_nothing_is_printed_for_none_and_numbers_are_plain(shop: Shop):
    assert shop.text("[{{ none }}] {{ 3600 * 24 }} {{ true }}") == "[] 86400 True"


# What is wrong in a template


def refused(shop: Shop, text: str, **values: object) -> TemplateRefused:
    with pytest.raises(TemplateRefused) as caught:
        shop.text(text, **values)
    return caught.value


def test_a_syntax_error_is_told_with_file_and_line(shop: Shop):
    problem = refused(shop, "one\ntwo\n{% if %}").problem
    assert problem.where == f"{shop.own / 't.j2'}, line 3"
    assert problem.cause == "The template can't be rendered: Expected an expression, got 'end of statement block'."


def test_an_unknown_filter_is_told_with_file_and_line(shop: Shop):
    problem = refused(shop, "one\n{{ 1 | uper }}").problem
    assert problem.where == f"{shop.own / 't.j2'}, line 2"
    assert "No filter named 'uper'" in problem.cause


@pytest.mark.parametrize(
    ("expression", "cause"),
    [
        ("{{ port }}", "'port' is undefined"),
        ("{{ none.port }}", "'None' has no attribute 'port'"),
        ("{{ 1 // 0 }}", "integer division or modulo by zero"),
        ("{{ [].pop() }}", "access to attribute 'pop' of 'list' object is unsafe"),
        ("{{ 'x' + 1 }}", 'can only concatenate str (not "int") to str'),
        ("{{ open() }}", "'open' is undefined"),
        ("{{ 'a;' }}", "the value 'a;' contains ';', which must not be printed in a configuration"),
        ("{{ fails() }}", "RuntimeError"),
    ],
)
def test_a_failing_expression_is_told_with_file_and_line(shop: Shop, expression: str, cause: str):
    def fails() -> None:
        raise RuntimeError

    problem = refused(shop, f"one\n\n{expression}", fails=fails).problem
    assert problem.where == f"{shop.own / 't.j2'}, line 3"
    assert problem.cause == f"The template can't be rendered: {cause}."


def test_a_missing_template_is_told(shop: Shop):
    with pytest.raises(TemplateMissing, match=r"mail: There is no template gone\.j2\."):
        shop.templates.render("gone.j2", {})
    assert "there is no template other.j2" in str(refused(shop, '{% include "other.j2" %}'))
    assert "there is no template ../../etc/passwd" in str(refused(shop, '{% include "../../etc/passwd" %}'))


def test_a_template_that_is_no_text_is_told(shop: Shop):
    shop.write("t.j2", "")
    (shop.own / "t.j2").write_bytes(b"\xff\xfe")
    with pytest.raises(TemplateRefused, match=r"t\.j2, line 1: The template can't be rendered: it is not UTF-8 text"):
        shop.templates.render("t.j2", {})
