"""Next chains of needs whose services refuse one."""

from agent.planning.alternatives import Alternatives
from support.fakes.ladder import DAY, NOW, ROOT, evidence, local, need

WWW = need("www.chain.dev")
FORMER = "e" * 64


def test_the_next_one_is_of_the_root_that_signs_though_a_clock_that_was_ahead_dated_another_one():
    present = local("a", WWW)
    former = local("b", WWW, root=FORMER, since=NOW - DAY / 2)
    found = Alternatives([WWW], evidence(present, former, root=ROOT), NOW)
    assert found(*WWW.key, frozenset()) == present.id
    assert found(*WWW.key, frozenset({present.id})) == former.id


def test_there_is_none_for_what_is_not_needed_or_was_refused_altogether():
    only = local("a", WWW)
    found = Alternatives([WWW], evidence(only), NOW)
    assert found(*WWW.key, frozenset({only.id})) is None
    assert found("another", "slot", frozenset()) is None
