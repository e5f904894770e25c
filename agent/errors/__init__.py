"""Every error of Chainwright, in one tree.

```
AgentError                       code, cause, where, fix, effect, retry_at, detail
├ NameInvalid        name        this is no DNS name and no address; also a ValueError
├ SettingsError      settings    the administrator must edit a file; exit code 2
├ PluginError        plugin      a plugin broke its contract; only its modules stop
│ └ LoadError                    it, or one of its classes, can't be used at all
├ CheckFault         check       what the check of a plugin finds; nothing was disturbed by it
├ ChainError         chain       this key and these certificates are not a chain
│ └ BrokenChain                  they belong together, but do not lead from the leaf to a root
├ SourceError        source      a source could not deliver; `retry_at` None = permanent; plugins raise it themselves
│ ├ OrderCancelled               the agent stops; the order goes on in its next run
│ ├ LimitError                   the CA was not asked, because that would be over a limit of it
│ ├ Http01Error                  nobody on this machine would answer a CA's challenge
│ ├ DnsProofError                a record that proves names can't be made, or isn't seen at every server
│ ├ DnsSolverError               a DNS solver could not make or remove a record; its solvers raise it themselves
│ │ ├ SolverMisconfigured        not tried again before its settings change
│ │ ├ SolverRefused              somebody says no: tried again after a day
│ │ └ SolverUnreachable          nobody answers: tried again soon
│ ├ CrlError                     whether a chain was revoked could not be looked up
│ └ AcmeError                    an ACME CA can't be asked, or it refuses
├ RootError          root        the root is missing, unreadable or may not sign
├ StoreError         store       database, master key, lock
├ BackupError        backup      a backup can't be made, read or put in place; nothing has changed
├ DeployError        deploy      a generation was refused, rolled back or is broken
│ └ ProbeFailed                  an endpoint gave no answer; probes of plugins raise it
├ UploadError        upload      what an administrator uploads is refused; nothing is stored
├ ImportRefused      import      a lineage or an account of another ACME client is not taken over, or only in part
├ OperationError     hand        what an administrator asked for can't be done; nothing has changed
├ PinError           pin         an uploaded chain can't be pinned, or its pin not taken back; nothing has changed
├ AuthError          people      somebody may not do what was asked, or can't log in
├ ApiError           api         a request to the local API is not answered as it was asked
├ UsageError         usage       a command was asked for something that does not exist; exit code 2
└ Unexpected         unexpected  a mistake of the program; the only one with a traceback
```

Plugins have families of their own (`plugins.webui.errors`). A family is a file here with all classes below those above. A class
is a stable `code`, templates of its sentences and the fields that fill them: what happened (`cause`), where, the next step
(`fix`: a command or a setting), what is served meanwhile (`effect`) and when it is tried again (`retry_at`). The same object,
as a `Problem`, is shown by the CLI, the status, the API and the event log. `docs/errors.md` has the sentences of all of them.
"""

from typing import TYPE_CHECKING, Any

from agent.errors.base import AgentError
from agent.errors.deploy import DeployError
from agent.errors.problem import Problem
from agent.errors.served import NewSessionsFail, ProbeFailed
from agent.errors.source import OrderCancelled, SourceError

if TYPE_CHECKING:
    from agent.errors.api import ApiError as ApiError
    from agent.errors.auth import AuthError as AuthError
    from agent.errors.backup import BackupError as BackupError
    from agent.errors.chain import ChainError as ChainError
    from agent.errors.dns_solver import DnsSolverError as DnsSolverError
    from agent.errors.dns_solver import SolverMisconfigured as SolverMisconfigured
    from agent.errors.dns_solver import SolverRefused as SolverRefused
    from agent.errors.dns_solver import SolverUnreachable as SolverUnreachable
    from agent.errors.name import NameInvalid as NameInvalid
    from agent.errors.operations import OperationError as OperationError
    from agent.errors.plugin import PluginError as PluginError
    from agent.errors.root import RootError as RootError
    from agent.errors.settings import SettingsError as SettingsError
    from agent.errors.store import StoreError as StoreError
    from agent.errors.upload import UploadError as UploadError
    from agent.errors.usage import UsageError as UsageError

_FAMILIES = {
    "ApiError": "api",
    "AuthError": "auth",
    "BackupError": "backup",
    "ChainError": "chain",
    "DnsSolverError": "dns_solver",
    "NameInvalid": "name",
    "OperationError": "operations",
    "PluginError": "plugin",
    "RootError": "root",
    "SettingsError": "settings",
    "SolverMisconfigured": "dns_solver",
    "SolverRefused": "dns_solver",
    "SolverUnreachable": "dns_solver",
    "StoreError": "store",
    "UploadError": "upload",
    "UsageError": "usage",
}

__all__ = [
    "AgentError",
    "ApiError",
    "AuthError",
    "BackupError",
    "ChainError",
    "DeployError",
    "DnsSolverError",
    "NameInvalid",
    "NewSessionsFail",
    "OperationError",
    "OrderCancelled",
    "PluginError",
    "ProbeFailed",
    "Problem",
    "RootError",
    "SettingsError",
    "SolverMisconfigured",
    "SolverRefused",
    "SolverUnreachable",
    "SourceError",
    "StoreError",
    "UploadError",
    "UsageError",
]


def __getattr__(name: str) -> Any:
    """Import a family when it is first named: a run with nothing to do needs few of them."""
    if name not in _FAMILIES:
        raise AttributeError(f"module 'agent.errors' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"agent.errors.{_FAMILIES[name]}"), name)
