"""Hooks are made again only when settings or plugins were loaded again."""

from __future__ import annotations

from pathlib import Path

from agent.engine.pass_inputs import LastHooks
from agent.engine.unchanged_settings import load_settings
from agent.system.layout import Layout


def test_hooks_stay_as_long_as_what_was_loaded_does(tmp_path: Path):
    loaded, hooks = load_settings(Layout(tmp_path)), LastHooks()
    assert hooks(loaded).hooks is hooks(loaded).hooks


def test_what_was_loaded_again_has_hooks_of_its_own(tmp_path: Path):
    hooks = LastHooks()
    before = hooks(load_settings(Layout(tmp_path))).hooks
    assert hooks(load_settings(Layout(tmp_path))).hooks is not before
