"""Rendering of a module and its chains into files, as data."""
