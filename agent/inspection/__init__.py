"""The upload doctor: from what an administrator gives to a chain or a root, or to a refusal that names cause and cure."""

from agent.inspection.chain_checks import Finding, Level
from agent.inspection.diagnosis import Diagnosis, diagnose, diagnose_root
from agent.inspection.input_file import Piece

__all__ = ["Diagnosis", "Finding", "Level", "Piece", "diagnose", "diagnose_root"]
