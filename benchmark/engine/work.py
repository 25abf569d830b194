"""Work of a run in shards: what workers are handed, and what comes of each shard."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, TypeAlias

from benchmark.engine.version import code_version
from benchmark.errors import BenchmarkError


@dataclass(frozen=True)
class Shard:
    """A piece of work that the configuration fixes, never the number of workers.

    Attributes:
        name: unique in a run, such as `block 12`; messages show it.
        task: what `do` is called with; can be pickled and is small.
        size: how far it moves the progress bar, in the bar's unit.
    """

    name: str
    task: Any
    size: int = 1


@dataclass(frozen=True)
class Work:
    """What every worker needs once, before its first shard.

    Attributes:
        opens: `package.module:function`. A worker calls it once with `setting`; it returns
            `do(task)`, which writes its own file atomically and returns at once where the file is
            there already. Nothing that `do` returns is kept.
        setting: what `opens` is called with; can be pickled.
        shared: folders that all workers must share with the driver.
        version: of the driver's code; a worker with another one is refused.
        here: `do` of this process, which `engine=local` calls instead of what `opens` returns. It
            is never pickled.
    """

    opens: str
    setting: Mapping[str, Any]
    shared: Sequence[str] = ()
    version: str = field(default_factory=code_version)
    here: Callable[[Any], object] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Done:
    """A shard whose file is written.

    Attributes:
        seconds: what `do` took.
        worker: its machine and process, such as `node7:4711`.
    """

    seconds: float
    worker: str


@dataclass(frozen=True)
class Refused:
    """An error that the user can fix, from a worker; it ends the run."""

    error: BenchmarkError


@dataclass(frozen=True)
class Died:
    """A shard that is not done: its worker ended, or something else than a `BenchmarkError` came.

    Attributes:
        reason: one line, such as `killed by signal 9` or `KeyError: 'name'`.
        surroundings: whether the surroundings of the run are at fault and not the shard: memory, a
            disk, a network. See `benchmark.errors.is_of_surroundings`.
    """

    reason: str
    surroundings: bool = False


Answer: TypeAlias = Done | Refused | Died


class Engine(Protocol):
    """A context manager that runs shards; leaving it ends the workers, finished shards stay."""

    workers: int

    def __enter__(self) -> Engine:
        """Return the engine; workers may start now or with the first shard."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End all workers, at once where an error is on its way."""
        ...

    def map(self, work: Work, shards: Sequence[Shard]) -> Iterator[tuple[Shard, Answer]]:
        """Yield every shard once with what came of it, in any order.

        Raises:
            BenchmarkError: no worker can be started.
        """
        ...
