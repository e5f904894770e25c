"""What is looked at before a CA is asked, because a failed validation costs budget and the CA's words are few.

```
caa         whether this CA may issue
addresses   whether the name exists, and a CA can go there
reach       whether it leads here
trouble     servers that don't answer as they should
clock       whether the time is plausible
looking     all of it at the same time
examining   `Preflight`: look, and look again before an order is stopped
```
"""

from agent.sources.acme.preflight.examining import Preflight
from agent.sources.acme.preflight.findings import Finding, Findings, lines

__all__ = ["Finding", "Findings", "Preflight", "lines"]
