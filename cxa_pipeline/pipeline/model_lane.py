"""Python models beside the engine: one process that runs them one after the other while SQL is computed.

Here: starting the process, handing it tasks, and what becomes of a task whose process ends. A process of its own and
not a thread: models would share the interpreter's lock with everything else, and one that runs out of memory would
end the run. Not here: what a model is called with (`python_model`), when its inputs are ready (`build`).
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.spawn import get_executable
from pathlib import Path
from threading import Lock, Thread
from types import TracebackType

from cxa_pipeline.contracts import Contract
from cxa_pipeline.engine.protocol import Relation
from cxa_pipeline.errors import CxaError, EngineError
from cxa_pipeline.pipeline.python_model import inputs, plotted, run_model

READING = "512MB"
"""Memory for reading and sorting a model's inputs; beyond it they spill."""
NEVER_BEGAN = 255
"""The exit code of a process whose program could not be started."""


@dataclass(frozen=True)
class ModelTask:
    """A table to make with its Python function.

    Args:
        contract: Of the table.
        contracts: Of the tables that it reads, by key.
        relations: Their rows.
        before: The rows that the release before held, of the tables that it looks back at.
        target: The Parquet file to write.
        picture: The file of its plot, written where the contract names one and there are rows.
    """

    contract: Contract
    contracts: Mapping[str, Contract]
    relations: Mapping[str, Relation]
    before: Mapping[str, Relation]
    target: Path
    picture: Path

    def run(self) -> None:
        """Make the table and its plot.

        Raises:
            EngineError: the function fails, or its rows are not those of the contract.
        """
        from cxa_pipeline.engine.duckdb import DuckDBEngine

        with closing(DuckDBEngine(READING, 1, self.target.with_name("spill"))) as engine:
            rows, rows_before = self.relations.__getitem__, self.before.__getitem__
            frames = inputs(self.contract, engine, rows, rows_before, self.contracts)
            run_model(self.contract, frames, self.target)
            if picture := plotted(self.contract, engine, Relation((self.target,))):
                self.picture.write_bytes(picture)


class ModelLane:
    """Runs tasks in the order in which they are submitted; used as a context, which an error ends at once."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="models")

    def submit(self, task: ModelTask) -> Future[float]:
        """Run a task when those before it are done; gives the seconds that it took, or raises as `ModelTask.run`."""
        return self._thread.submit(_PROCESS.run, task)

    def __enter__(self) -> ModelLane:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error:
            _PROCESS.kill()
        self._thread.shutdown(wait=True, cancel_futures=True)


class _ModelProcess:
    """The process, started by the first task and kept for the runs that follow: its imports take a second."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None

    def run(self, task: ModelTask) -> float:
        with self._lock:
            pipe = self._started()
            try:
                pipe.send(task)
                answer: float | CxaError = pipe.recv()
            except (EOFError, OSError):
                raise self._ended(task) from None
        if isinstance(answer, CxaError):
            raise answer
        return answer

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    def _started(self) -> Connection:
        if self._process is None or self._pipe is None or not self._process.is_alive():
            spawn = get_context("spawn")
            self._pipe, theirs = spawn.Pipe()
            self._process = spawn.Process(target=_serve, args=(theirs,), name="cxa-models", daemon=True)
            self._process.start()
            theirs.close()
        return self._pipe

    def _ended(self, task: ModelTask) -> EngineError:
        process, self._process = self._process, None
        assert process
        process.join()
        assert task.contract.model
        meaning, advice = "", "See what it wrote to the log, then run again."
        if process.exitcode == -signal.SIGKILL:
            meaning = ": killed"
            advice = "If the machine ran out of memory, give it more or lower CXA_MEMORY; then run again."
        elif process.exitcode == NEVER_BEGAN:
            meaning = f": {os.fsdecode(get_executable())} could not be started"
            advice = "Install cxa with a Python that whoever runs it may start."
        return EngineError(
            f"The process of the Python model {task.contract.model.function} ended.",
            evidence=f"exit code {process.exitcode}{meaning}",
            advice=advice,
        )


_PROCESS = _ModelProcess()


def _serve(pipe: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # The run that was interrupted ends this process.
    Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            task: ModelTask = pipe.recv()
        except EOFError:
            return
        pipe.send(_done(task))


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent
    parent.join()
    os._exit(1)


def _done(task: ModelTask) -> float | CxaError:
    begun = time.perf_counter()
    try:
        task.run()
    except CxaError as error:
        return error
    except Exception as error:
        return EngineError("A Python model could not be run.", evidence=f"{type(error).__name__}: {error}")
    return time.perf_counter() - begun
