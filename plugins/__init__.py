"""The built-in modules: a folder each, through the public API of `agent` only."""
