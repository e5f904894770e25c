"""From a module and its chains to files, as data."""
