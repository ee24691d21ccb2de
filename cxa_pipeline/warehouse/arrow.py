"""The Arrow types that PostgreSQL's COPY takes through ADBC, and the exact cast to them.

Here: types and casts. Not here: the load (`stage`), reading back (`verify`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cxa_pipeline.contracts import Contract
from cxa_pipeline.contracts.shape import canonical_type
from cxa_pipeline.errors import ContractError

if TYPE_CHECKING:
    import pyarrow as pa


def exactly(reader: pa.RecordBatchReader, contract: Contract) -> pa.RecordBatchReader:
    """The rows with the columns of the contract, in their order and with the Arrow types that COPY needs.

    Raises:
        ContractError: a column is missing, or a value does not fit its type.
    """
    import pyarrow as pa

    wanted = arrow_schema(contract)
    if reader.schema.equals(wanted):
        return reader
    if missing := [c for c in contract.column_names if c not in reader.schema.names]:
        raise ContractError(
            f"The version of {contract.key} lacks columns of its contract", str(contract.yaml_path), missing
        )

    def cast(batch: pa.RecordBatch) -> pa.RecordBatch:
        try:
            return batch.select(wanted.names).cast(wanted)
        except pa.ArrowInvalid as error:
            raise ContractError(
                f"A value of {contract.key} does not fit its column", str(contract.yaml_path), str(error)
            ) from None

    return pa.RecordBatchReader.from_batches(wanted, (cast(batch) for batch in reader))


def arrow_schema(contract: Contract) -> pa.Schema:
    """The Arrow types from which ADBC fills the columns of the contract."""
    import pyarrow as pa

    return pa.schema([(column.name, arrow_type(column.type)) for column in contract.columns])


def arrow_type(type_: str) -> pa.DataType:
    """The Arrow type that ADBC writes into a column of PostgreSQL's type without loss.

    Raises:
        ContractError: contracts do not use that type.
    """
    import pyarrow as pa

    word = canonical_type(type_)
    if found := re.fullmatch(r"numeric\((\d+)(?:,(\d+))?\)", word):
        precision, scale = int(found[1]), int(found[2] or 0)
        return (pa.decimal128 if precision <= 38 else pa.decimal256)(precision, scale)
    types = {
        "text": pa.string(),
        "smallint": pa.int16(),
        "integer": pa.int32(),
        "bigint": pa.int64(),
        "double precision": pa.float64(),
        "boolean": pa.bool_(),
        "date": pa.date32(),
        "timestamp": pa.timestamp("us"),
        "timestamptz": pa.timestamp("us", "UTC"),
    }
    if word not in types:
        advice = f"use {', '.join(types)} or numeric(precision, scale)"
        raise ContractError(f"Tables have no columns of type {type_}", advice=advice)
    return types[word]
