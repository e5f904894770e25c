"""X.509 as the agent uses it: keys, certificates, chains, certification paths, roots and what they sign."""
