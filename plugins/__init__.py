"""The plugins that come with Chainwright: a folder each, on the public API `chainwright` alone."""
