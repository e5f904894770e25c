"""Modes of what was deployed to mail: a shared service's entry, and what postfix's own program has made of keys."""

import pytest

from support.appliances.mailed import Mailed
from support.told import codes, told

pytestmark = pytest.mark.root


def test_modes_of_an_entry_and_of_what_was_prepared_are_repaired_and_told(mailing: Mailed) -> None:
    entry = mailing.layout.service("dovecot").live.resolve() / "dovecot.conf"
    made = mailing.live("mail") / "postfix/sni.db"
    right = entry.stat().st_mode & 0o777
    entry.chmod(0o777)
    made.chmod(0o644)
    mailing.clock.advance(minutes=16)
    mailing.apply()
    assert (entry.stat().st_mode & 0o777, made.stat().st_mode & 0o777) == (right, 0o600)
    assert sorted(codes(told(mailing))) == [
        ("appliance", str(made), "warning", "status.modes"),
        ("appliance", str(entry), "notice", "status.modes"),
    ]
