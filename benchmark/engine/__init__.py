"""Engines: who runs the shards of a run, in this process, on this machine or on a cluster."""

from benchmark.engine.driver import Report, run_shards
from benchmark.engine.making import make_engine
from benchmark.engine.work import Answer, Died, Done, Engine, Refused, Shard, Work

__all__ = [
    "Answer",
    "Died",
    "Done",
    "Engine",
    "Refused",
    "Report",
    "Shard",
    "Work",
    "make_engine",
    "run_shards",
]
