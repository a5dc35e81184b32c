"""The mapping pass of a run on many machines, by Ray Data; its results are those of one machine.

A reader cuts the samples into the same shards as the local engine does. Workers, each with the
same metrics and models, go over them twice: first over the images (read, hashed, decoded and
encoded where they are needed), then over the samples. Between the two it is known which samples
are equal, so that each is scored once, where it stands first, with the same neighbours as on one
machine. Every finished shard lies in files of its own, so that whatever is killed goes on there.
"""

from scoring.cluster.connect import ClusterOptions, connected
from scoring.cluster.mapping import map_on_ray

__all__ = ["ClusterOptions", "connected", "map_on_ray"]
