"""The mapping pass of a run on many machines, by Ray Data; its results are those of one machine.

A reader cuts the samples into the same shards as the local engine does. Workers, each with the
same metrics and models, take a shard each: its images (read, hashed, decoded and encoded where
they are needed), then its samples. Equal samples are scored once: a shard claims what nobody has
claimed, and what others have is put in when all are through. Every finished shard lies in files of
its own, so that whatever is killed goes on there.
"""

from scoring.cluster.connect import ClusterOptions, connected
from scoring.cluster.mapping import map_on_ray

__all__ = ["ClusterOptions", "connected", "map_on_ray"]
