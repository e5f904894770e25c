"""The plugins that come with Chainwright. Each is a folder, on the public API `chainwright` alone."""
