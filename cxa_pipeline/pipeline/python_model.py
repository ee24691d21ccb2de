"""Tables that a Python function makes: from the rows of its inputs to the rows of its table.

Here: finding the function, the hash of everything that it consists of, and calling it. The function gets a pandas
DataFrame for each table that the contract names, as keyword arguments under the tables' own names (`previous_<table>`
for what the release before held): sorted by primary key, decimals as doubles, dates as moments. It gives a DataFrame
with the contract's columns, in which NaN and None mean NULL; for a table too long to be held at once, it yields
several. Not here: when it is called (`build`), in which process (`model_lane`), what it computes
(`cxa_pipeline.models`, which is imported when a function runs and not before).
"""

from __future__ import annotations

import hashlib
import importlib
import re
import traceback
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cxa_pipeline.contracts import Contract
from cxa_pipeline.contracts.model import PythonModel
from cxa_pipeline.engine.protocol import Engine, Relation
from cxa_pipeline.errors import ContractError, EngineError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

MODELS = "cxa_pipeline.models"
LIBRARIES = ("numpy", "pandas", "scipy", "scikit-learn", "mlxtend")
"""Their versions are part of what a result is made of."""

_IMPORT = re.compile(rf"^\s*(?:from|import)\s+({re.escape(MODELS)}[\w.]*)(?:\s+import\s+\(?([^)#]*?)\)?\s*)?$", re.M)


def load(name: str) -> Callable[..., Any]:
    """The function of that name.

    Args:
        name: `module:function`.

    Raises:
        ContractError: there is none.
    """
    module, _, function = name.partition(":")
    try:
        found: Callable[..., Any] = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise ContractError(
            f"There is no function {name}", evidence=str(error), advice="name it module:function in the contract"
        ) from None
    return found


def source_text(model: PythonModel) -> str:
    """The source of the modules of the function and the plot, and of every module of ours that they import."""
    seen: dict[str, str] = {}
    waiting = [name.partition(":")[0] for name in (model.function, model.plot) if name]
    while waiting:
        module = waiting.pop()
        if module not in seen and (text := _source(module)) is not None:
            seen[module] = text
            waiting += _imported(text)
    return "\n".join(text for _, text in sorted(seen.items()))


def fingerprint(model: PythonModel) -> str:
    """Hash of everything that makes the rows but the inputs: the source and the libraries."""
    libraries = "\n".join(f"{name} {version(name)}" for name in LIBRARIES)
    return hashlib.sha256(f"{source_text(model)}\n{libraries}".encode()).hexdigest()


@cache
def _source(module: str) -> str | None:
    try:
        spec = find_spec(module)
    except ModuleNotFoundError:
        return None
    return Path(spec.origin).read_text(encoding="utf-8") if spec and spec.origin else None


def _imported(text: str) -> Iterator[str]:
    for package, names in _IMPORT.findall(text):
        yield package
        yield from (f"{package}.{name.split()[0]}" for name in names.split(",") if name.strip())


def inputs(
    contract: Contract,
    engine: Engine,
    relation: Callable[[str], Relation],
    before: Callable[[str], Relation],
    contracts: Mapping[str, Contract],
) -> dict[str, pd.DataFrame]:
    """What the function of a table is called with.

    Args:
        contract: Of the table that is made.
        engine: Reads the rows.
        relation: Gives the rows of a table that it reads.
        before: Gives the rows that the release before held, or none.
        contracts: All contracts.
    """
    assert contract.model
    found = {}
    for table, columns in contract.model.reads.items():
        found[table.split(".")[1]] = _frame(engine, contracts[table], columns, relation(table))
    for table in contract.model.previous:
        source = contracts[table]
        found[f"previous_{source.table}"] = _frame(engine, source, source.column_names, before(table))
    return found


def _frame(engine: Engine, source: Contract, columns: tuple[str, ...], rows: Relation) -> pd.DataFrame:
    items = ", ".join(_as_python(source.column(name).type, name) for name in columns)
    key = ", ".join(source.primary_key)
    order = f" order by {key}" if key else ""
    table = engine.fetch(f"select {items} from {source.key}{order}", {source.key: rows})
    # Each column is given up as soon as it is converted: a table of millions of rows is not held twice.
    frame: pd.DataFrame = table.to_pandas(split_blocks=True, self_destruct=True)
    return frame


def _as_python(type_: str, name: str) -> str:
    if type_.startswith("numeric"):
        return f"cast({name} as double precision) as {name}"
    return f"cast({name} as timestamp) as {name}" if type_ == "date" else name


def run_model(contract: Contract, frames: Mapping[str, pd.DataFrame], target: Path) -> None:
    """Call the function of a table and write its rows as Parquet.

    Args:
        contract: Of the table.
        frames: What the function is called with.
        target: The file to write.

    Raises:
        EngineError: the function fails, or its rows are not those of the contract.
    """
    import pyarrow.parquet as pq

    assert contract.model
    with closing(_parts(contract.model.function, frames)) as parts:
        first = _arrow(contract, next(parts))
        with pq.ParquetWriter(target, first.schema) as writer:
            writer.write_table(first)
            for part in parts:
                writer.write_table(_arrow(contract, part))


def _parts(name: str, frames: Mapping[str, pd.DataFrame]) -> Generator[pd.DataFrame, None, None]:
    """What the function gives; what becomes of it outside is no failure of the function."""
    import pandas as pd

    function = load(name)
    with _one_thread(), _explaining(name):
        made = function(**frames)
        yield from (made,) if isinstance(made, pd.DataFrame) else made


def column_names(path: Path) -> list[str]:
    """Names of the columns of a result."""
    import pyarrow.parquet as pq

    names: list[str] = pq.read_schema(path).names
    return names


@contextmanager
def _one_thread() -> Iterator[None]:
    """Equal values on any machine: sums of doubles depend on how many threads share them."""
    # What is loaded later would not be limited.
    import scipy.linalg  # noqa: F401
    import sklearn  # noqa: F401
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield


@contextmanager
def _explaining(function: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        called = traceback.extract_tb(error.__traceback__)
        own = [call for call in called if "site-packages" not in call.filename][-1]
        raise EngineError(
            f"The Python model {function} failed.",
            f"{own.filename}:{own.lineno}",
            f"{type(error).__name__}: {error}",
            "Mend the model: no input is to break it.",
        ) from error


def _arrow(contract: Contract, made: pd.DataFrame) -> pa.Table:
    import pyarrow as pa

    wanted, given = contract.column_names, tuple(made.columns)
    if set(wanted) != set(given):
        raise EngineError(
            "The columns of the Python model are not those of the contract.",
            contract.key,
            [f"missing: {sorted(set(wanted) - set(given))}", f"unknown: {sorted(set(given) - set(wanted))}"],
            "Make them equal.",
        )
    arrays = []
    for column in contract.columns:
        try:
            arrays.append(pa.array(made[column.name], _arrow_type(column.type), from_pandas=True))
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise EngineError(
                f"A value of the Python model does not fit column {column.name}.",
                f"{contract.key}, column {column.name}",
                str(error),
                f"Give values of type {column.type}.",
            ) from error
    return pa.table(arrays, names=list(wanted))


def _arrow_type(type_: str) -> pa.DataType:
    import pyarrow as pa

    named = {
        "text": pa.string(),
        "boolean": pa.bool_(),
        "date": pa.date32(),
        "timestamptz": pa.timestamp("us", "UTC"),
        "smallint": pa.int64(),
        "integer": pa.int64(),
        "bigint": pa.int64(),
    }
    return named.get(type_, pa.float64())


def plotted(contract: Contract, engine: Engine, rows: Relation) -> bytes | None:
    """The picture of a table as PNG, where its contract names a plot and it has rows."""
    if contract.model is None or contract.model.plot is None:
        return None
    import matplotlib

    matplotlib.use("Agg")
    frame = _frame(engine, contract, contract.column_names, rows)
    if frame.empty:
        return None
    figure = load(contract.model.plot)(frame)
    picture = BytesIO()
    figure.savefig(picture, format="png", dpi=80, bbox_inches="tight")
    figure.clear()
    return picture.getvalue()
