"""A program of a plugin that looks at its tunnels, as an `observe_command` names it: Command((sys.executable, "-P", PATH))."""

from chainwright import differs_line, finding_line, state_line

print(state_line("tunnel north", "up"))
print(state_line("tunnel south", "down", "nothing answers", severity="warning", fix="Look at south.", mend=True))
print(finding_line("licence", "notice", "It ends on Friday.", "Renew it."))
print(differs_line("the tunnel west is not loaded"))
