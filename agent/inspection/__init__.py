"""Inspection of uploads: from files to a chain or a root, or to a refusal with cause and fix."""

from agent.inspection.chain_checks import Remark, RemarkLevel
from agent.inspection.confined import Limits, inspect_chain, inspect_root
from agent.inspection.diagnosis import Diagnosis, diagnose, diagnose_root
from agent.inspection.input_file import InputFile

__all__ = [
    "Diagnosis",
    "InputFile",
    "Limits",
    "Remark",
    "RemarkLevel",
    "diagnose",
    "diagnose_root",
    "inspect_chain",
    "inspect_root",
]
