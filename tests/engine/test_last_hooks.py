"""Hooks are made again only when settings or plugins were loaded again."""

from __future__ import annotations

from pathlib import Path

from agent.engine.pass_inputs import LastHooks
from agent.engine.unchanged_settings import load_settings
from agent.system.layout import Layout


def test_hooks_stay_as_long_as_what_was_loaded_does(tmp_path: Path):
    loaded, hooks = load_settings(Layout(tmp_path)), LastHooks()
    assert hooks(loaded)[0] is hooks(loaded)[0]


def test_what_was_loaded_again_has_hooks_of_its_own(tmp_path: Path):
    hooks = LastHooks()
    before, *_ = hooks(load_settings(Layout(tmp_path)))
    assert hooks(load_settings(Layout(tmp_path)))[0] is not before
