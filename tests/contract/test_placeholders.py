from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.contract.context import DIRECTORY_MARK, NUMBER_MARK
from agent.contract.placeholders import IN_COMMANDS, IN_FILES, filled, filled_file, for_slot, misspelt, misspelt_in_file
from chainwright import (
    ChainFile,
    Command,
    Context,
    Endpoint,
    HostFacts,
    Http01,
    Part,
    Places,
    ServiceContext,
    Signal,
    Template,
    Text,
)

STATE = Path("/var/lib/chainwright/modules/tunnel")
PLACES = Places(root=Path("/"), state=STATE, run=Path("/run/chainwright"), log=Path("/var/log/chainwright"))
CONTEXT = Context(
    module="tunnel",
    directory=STATE / "7",
    generation="7",
    chains={},
    host=HostFacts(name="gw", addresses=()),
    http01=Http01(webroot=STATE),
    places=PLACES,
)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_commands_signals_paths_and_endpoints_are_filled_in():
    command = Command(("tunneld", "-c", "{dir}/a.conf", "-o={run}/{live}", "{other}"), timeout=7)
    assert filled([command], CONTEXT) == [
        replace(command, argv=("tunneld", "-c", f"{STATE}/7/a.conf", f"-o=/run/chainwright/{STATE}/live", "{other}"))
    ]
    assert filled(Signal(Path("{run}/t.pid"), name="USR1"), CONTEXT) == Signal(
        Path("/run/chainwright/t.pid"), name="USR1"
    )
    assert filled(Path("{run}/t.pid"), CONTEXT) == Path("/run/chainwright/t.pid")
    endpoint = Endpoint(path=Path("{run}/t.sock"), generation_socket=Path("{run}/g.sock"), slot="a")
    assert filled(endpoint, CONTEXT) == replace(
        endpoint, path=Path("/run/chainwright/t.sock"), generation_socket=Path("/run/chainwright/g.sock")
    )
    assert filled(Command(("test", "{run}/{generation}.log")), CONTEXT) == Command(("test", "/run/chainwright/7.log"))
    assert filled(None, CONTEXT) is None
    assert filled(Endpoint(port=443), CONTEXT) == Endpoint(port=443)


def test_of_files_the_path_of_publishing_and_the_texts_among_values_are_filled_in():
    template = Template(
        path="{slot}.conf",
        publish=Path("{run}/{slot}.conf"),
        values={"s": "{run}/{slot}.sock", "n": 1, "d": "{dir}-{generation}"},
    )
    made = for_slot(filled_file(template, CONTEXT), "mail")
    assert (made.path, made.slot, made.publish) == ("mail.conf", "mail", Path("/run/chainwright/mail.conf"))
    assert made.values == {"s": "/run/chainwright/mail.sock", "n": 1, "d": f"{STATE}/7-7"}
    chain = ChainFile(path="{slot}.pem", parts=(Part.KEY,))
    assert for_slot(filled_file(chain, CONTEXT), "mail").path == "mail.pem"


def test_a_service_s_entry_has_a_number_too():
    of = {"service": "toyd", "parts": (), "host": CONTEXT.host, "http01": CONTEXT.http01, "places": PLACES}
    entry = ServiceContext(directory=STATE / "12", **of)
    assert filled(Command(("toyd", "{generation}")), entry) == Command(("toyd", "12"))
    template = Template(path="entry", values={"is": "{dir} {generation}"})
    rendered = filled_file(template, ServiceContext(directory=Path(DIRECTORY_MARK), **of))
    assert rendered.values == {"is": f"{DIRECTORY_MARK} {NUMBER_MARK}"}


def test_a_text_is_left_as_it_is():
    text = Text(path="secret", text="a{run}b", publish=Path("/etc/secret"))
    assert filled_file(text, CONTEXT) is text


@pytest.mark.parametrize("word", ["dirr", "dri", "di", "DIR", "directory", "Dir", "dir_"])
def test_what_looks_like_a_placeholder_is_told(word: str):
    assert list(misspelt([f"x{{{word}}}"], IN_COMMANDS)) == [
        f'there is no placeholder "{{{word}}}"; did you mean "{{dir}}"?'
    ]


@pytest.mark.parametrize("text", ["{line}", "{name}", "{}", "{print $1}", "${dirs[0]}", "{fun}", "{0}", "{ dir }"])
def test_other_braces_are_nobodys(text: str):
    assert list(misspelt([text], IN_FILES)) == []


def test_a_placeholder_in_another_place_is_told():
    assert list(misspelt(["{slot}"], IN_COMMANDS)) == ['"{slot}" is not filled in there']
    file = Template(path="{dir}.conf", publish=Path("/etc/{live}-{generation}"), values={"a": "{slots}"})
    assert list(misspelt_in_file(file)) == [
        '"{dir}" is not filled in there',
        '"{live}" is not filled in there',
        '"{generation}" is not filled in there',
        'there is no placeholder "{slots}"; did you mean "{slot}"?',
    ]
