"""Python models in their process: they run in turn, fail alone, and end with the run that asked for them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from multiprocessing import spawn
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cxa_pipeline.contracts.model import Column, Contract, PythonModel
from cxa_pipeline.engine.protocol import OutputColumn, Relation
from cxa_pipeline.errors import EngineError
from cxa_pipeline.pipeline.model_lane import ModelLane, ModelTask, _ModelProcess

HERE = "tests.unit.test_model_lane"
COLUMNS = (Column("customer_id", "text", ""), Column("twice", "integer", ""))
PAID = Contract("core", "paid", "1.0.0", "table", "", COLUMNS, ("customer_id",), (), Path("x.yaml"))


def doubled(paid: pd.DataFrame) -> pd.DataFrame:
    return paid.assign(twice=paid["twice"] * 2)


def process(paid: pd.DataFrame) -> pd.DataFrame:
    return paid.assign(twice=os.getpid())


def killed(paid: pd.DataFrame) -> pd.DataFrame:
    os.kill(os.getpid(), signal.SIGKILL)
    return paid


def unlucky(paid: pd.DataFrame) -> pd.DataFrame:
    raise KeyError("nothing of that name")


def sleepy(paid: pd.DataFrame) -> pd.DataFrame:
    Path(os.environ["CXA_TEST_SIGN"]).write_text(str(os.getpid()))
    time.sleep(60)
    return paid


def drawn(frame: pd.DataFrame) -> object:
    from matplotlib.figure import Figure

    figure = Figure()
    figure.subplots().bar(frame["customer_id"], frame["twice"])
    return figure


def task(folder: Path, function: str, plot: str | None = None) -> ModelTask:
    """A table of one customer, made of one customer."""
    paid, target = folder / "paid.parquet", folder / function / "made.parquet"
    target.parent.mkdir()
    pq.write_table(pa.table({"customer_id": ["a"], "twice": [3]}), paid)
    model = PythonModel(f"{HERE}:{function}", {"core.paid": ("customer_id", "twice")}, (), plot)
    made = replace(PAID, table="made", kind="model", model=model)
    relation = Relation((paid,), columns=tuple(OutputColumn(c.name, c.type) for c in COLUMNS))
    return ModelTask(made, {"core.paid": PAID}, {"core.paid": relation}, {}, target, target.with_name("plot.png"))


def value(made: ModelTask) -> int:
    found: int = pq.read_table(made.target).to_pylist()[0]["twice"]
    return found


def test_tables_are_made_in_one_process_that_is_not_this_one(tmp_path: Path):
    first, second, third = task(tmp_path, "doubled"), task(tmp_path, "process"), tmp_path / "again"
    third.mkdir()
    again = task(third, "process")
    with ModelLane() as lane:
        seconds = [lane.submit(one).result() for one in (first, second, again)]
    assert value(first) == 6 and value(second) == value(again) != os.getpid()
    assert all(0 < s < 60 for s in seconds)
    assert sorted(path.name for path in first.target.parent.iterdir()) == ["made.parquet"]


def test_a_plot_lies_beside_its_table(tmp_path: Path):
    made = task(tmp_path, "doubled", f"{HERE}:drawn")
    with ModelLane() as lane:
        lane.submit(made).result()
    assert made.picture.read_bytes().startswith(b"\x89PNG")


def test_a_model_that_fails_or_is_killed_fails_alone(tmp_path: Path):
    with ModelLane() as lane:
        wrong, dead, well = (lane.submit(task(tmp_path, name)) for name in ("unlucky", "killed", "doubled"))
        with pytest.raises(EngineError, match=f"{HERE}:unlucky failed") as caught:
            wrong.result()
        assert caught.value.evidence == ("KeyError: 'nothing of that name'",)
        assert caught.value.where and "test_model_lane.py:" in caught.value.where
        with pytest.raises(EngineError, match=f"{HERE}:killed ended") as caught:
            dead.result()
        assert caught.value.evidence == ("exit code -9: killed",) and "memory" in (caught.value.advice or "")
        assert well.result() > 0


def test_a_python_that_may_not_be_started_is_named(tmp_path: Path):
    """Such as one below the home of somebody else."""
    shut, ours = tmp_path / "python", spawn.get_executable()
    shut.touch(mode=0o600)
    spawn.set_executable(str(shut))
    try:
        with pytest.raises(EngineError, match="ended") as caught:
            _ModelProcess().run(task(tmp_path, "doubled"))
    finally:
        spawn.set_executable(os.fsdecode(ours))
    assert caught.value.evidence == (f"exit code 255: {shut} could not be started",)
    assert caught.value.advice == "Install cxa with a Python that whoever runs it may start."


@pytest.mark.parametrize("end", ["error", "kill"])
def test_a_model_does_not_outlive_its_run(tmp_path: Path, end: str):
    sign = tmp_path / "sign"
    script = tmp_path / "run.py"
    script.write_text(
        "from pathlib import Path\nimport sys, time\n"
        f"from {HERE} import ModelLane, task\n"
        "if __name__ == '__main__':\n"
        "    with ModelLane() as lane:\n"
        f"        lane.submit(task(Path({str(tmp_path)!r}), 'sleepy'))\n"
        f"        while not Path({str(sign)!r}).exists(): time.sleep(0.05)\n"
        "        raise SystemExit(3) if sys.argv[1] == 'error' else time.sleep(60)\n"
    )
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "CXA_TEST_SIGN": str(sign), "PYTHONPATH": root}
    run = subprocess.Popen([sys.executable, str(script), end], env=environment)
    until = time.monotonic() + 60
    while not sign.exists():
        assert time.monotonic() < until
        time.sleep(0.05)
    if end == "kill":
        run.kill()
    assert run.wait(timeout=30) == (3 if end == "error" else -9)
    model = int(sign.read_text())
    while Path(f"/proc/{model}/stat").exists() and "Z" not in Path(f"/proc/{model}/stat").read_text().split()[2]:
        assert time.monotonic() < until
        time.sleep(0.05)
