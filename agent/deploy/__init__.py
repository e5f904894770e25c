"""Deployment of generations: stage, check, switch, reload, probe, then keep or roll back.

```
differences     differences between target and live generation, and renderings composed of some of them (pure)
staging         a generation's directory on disk
preflight       staged files, read back and compared with the chain
units           what is tested and reloaded as one: a shared service, or a module's own
trial           one candidate: staged, prepared, read back, tested by its services
isolation       which difference does a service refuse?
renames         changes outside of the generations that can be redone and undone
reloading       units told to read their files, or noted as down
record          what a transaction stores before each step
refusals        refused differences, tried again with back-off
switching       the second half of a transaction: switch, reload, probe, keep or roll back
transaction     one group of modules and services through all steps
deployer        groups that share no service, in parallel; recovery after a crash; removal of modules
endpoints       endpoints: what they should serve, what is seen there, and what is stored of it
drift           endpoints and files, checked when nothing is deployed
retention       removal of old generations
deploy_context  context of one pass for all of these
```
"""
