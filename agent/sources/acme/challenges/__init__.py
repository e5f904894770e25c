"""The ways in which a name is proved to a CA (RFC 8555 section 8), and which of them a name gets.

```
challenge_type    what they are called, in their order of preference
method            `Method`: what each of them does for one order
http_01           by the web server of this machine, or by the agent itself
methods           all of them
prospects         which of them can work for a name, and what is missing for the others
```
"""
