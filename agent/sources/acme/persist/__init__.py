"""dns-persist-01: one TXT record a name, set once by a person (draft-ietf-acme-dns-persist, -01 and -02).

```
account    whom a record is for: the issuer names of a CA, and an account as each draft writes it
record     the record for a name
reading    what is in the zone
judging    whether that proves a name
looking    what the zone's own servers have
asking     the look at the names of a source, for the planner
```
"""
