"""The workers as the runner sees them: who is free, who draws what, who has died, and of what.

Owns the runner's side of `pipeline.wire`; the other side is `pipeline.render`. Never imports torch.
"""

from pipeline.pool.manner import Manner
from pipeline.pool.models import Several
from pipeline.pool.pool import WorkerPool

__all__ = ["Manner", "Several", "WorkerPool"]
