"""The ways in which a name is proved to a CA (RFC 8555 section 8), and which of them a name gets.

```
challenge_type    what they are called, in their order of preference
method            `Method`: what each of them does for one order
http_01           by the web server of this machine, or by the agent itself
dns_persist_01    by a lasting record in the DNS that a person has set
dns_01            by a record that a solver writes into the DNS
tls_alpn_01       by a certificate on port 443
methods           all of them
prospects         which of them can work for a name, and what is missing for the others
track_record      which names a CA knows, and which methods have failed it
refusal           why nothing proves a name
check             what an order would meet, for people
```
"""
