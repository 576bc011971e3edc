"""The doctor: whether this machine can run this inbox, and what to do where it cannot.

Owns the checks; each gives findings and changes nothing. Never imports torch: a process of its own
looks at that. Never runs git, and never trusts what the inbox says more than a run would.
"""

from pipeline.doctor.examine import examine
from pipeline.doctor.finding import Finding

__all__ = ["Finding", "examine"]
