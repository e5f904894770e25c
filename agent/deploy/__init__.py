"""Stage, check, switch, reload, look, keep or go back.

```
assembling   what differs from what is in service: toggles, and generations composed of some of them
staging      a generation's directory on disk
preflight    what was staged, read back
isolation    which toggle does a service refuse?
placement    renames that can be redone and undone
units        what is tested and reloaded as one
transaction  one group of modules and services through the steps, and its recovery after a crash
deployer     groups of modules that share no service, side by side
```
"""
