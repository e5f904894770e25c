"""X.509: keys, certificates, chains, certification paths, roots and what they sign."""
