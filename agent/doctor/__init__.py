"""The upload doctor: from what an administrator gives to a chain or a root, or to a refusal that names cause and cure."""

from agent.doctor.diagnosis import Diagnosis, diagnose, diagnose_root
from agent.doctor.judging import Finding, Level
from agent.doctor.piece import Piece

__all__ = ["Diagnosis", "Finding", "Level", "Piece", "diagnose", "diagnose_root"]
