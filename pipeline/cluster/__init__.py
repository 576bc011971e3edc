"""More than one machine: workers on the nodes of a Ray cluster, pictures and journal on the head.

Owns what goes between head and nodes. Only `pipeline.cluster.rays` knows Ray, which is imported
with `--cluster` alone; the runner has a pool like any other and does not know.
"""

from pipeline.cluster.pool import ClusterPool

__all__ = ["ClusterPool"]
