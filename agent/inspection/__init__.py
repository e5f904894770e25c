"""The upload doctor: from what an administrator gives to a chain or a root, or to a refusal that names cause and cure."""

from agent.inspection.chain_checks import Finding, FindingLevel
from agent.inspection.diagnosis import Diagnosis, diagnose, diagnose_root
from agent.inspection.input_file import InputFile

__all__ = ["Diagnosis", "Finding", "FindingLevel", "InputFile", "diagnose", "diagnose_root"]
