"""The core of Chainwright. Plugin authors import from `chainwright`."""
