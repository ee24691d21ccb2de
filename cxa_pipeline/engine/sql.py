"""What a model's text says: description, dependencies, fingerprint, columns read, column lineage.

Here: parsing of one SELECT in PostgreSQL's dialect. Not here: whether it stays in the checked subset
(`lint`), its translation (`rewrites`), how names are resolved (`scopes`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

from sqlglot import TokenType, exp, tokenize
from sqlglot.dialects.postgres import Postgres
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.normalize_identifiers import normalize_identifiers
from sqlglot.parsers.postgres import PostgresParser

from cxa_pipeline.engine.functions import SYNTAX, UNDERSTOOD
from cxa_pipeline.engine.scopes import Names, table_key
from cxa_pipeline.errors import DialectError

_QUOTED = {kind for kind in TokenType if kind.name.endswith("STRING") or kind is TokenType.IDENTIFIER}
_NOT_UNDERSTOOD = {name.lower() for name in {*PostgresParser.FUNCTIONS, *PostgresParser.FUNCTION_PARSERS}} - {
    *UNDERSTOOD,
    *SYNTAX,
    *(name.lower() for name in PostgresParser.NO_PAREN_FUNCTION_PARSERS),
}
_HIDE = "as_written__"
"""Stands before the names of functions of which sqlglot would make something else, while it parses."""
_LEADING = re.compile(r"\s*(--[^\n]*|/\*.*?\*/)", re.DOTALL)


_TEXTS = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'", re.DOTALL)
_READ = re.compile(r"\b(?:from|join)\s+(\w+)\.(\w+)", re.IGNORECASE)


@dataclass(frozen=True)
class Model:
    """One SELECT, parsed when its syntax tree is asked for.

    Attributes:
        name: `schema.table`, or the file, as errors call it.
        description: The text of the leading comment.
        text: The SQL as written.
        dependencies: The tables it reads, as `schema.table`.
    """

    name: str
    description: str
    text: str
    dependencies: frozenset[str]

    @cached_property
    def tree(self) -> exp.Query:
        """The syntax tree; treat as read-only.

        Raises:
            DialectError: The text is no SQL, not exactly one SELECT, or reads other tables than it seemed to.
        """
        tree = parse_query(self.text, self.name)
        if differing := _tables(tree) ^ self.dependencies:
            raise DialectError(
                "Which tables the SQL reads cannot be told from its text.",
                self.name,
                sorted(differing),
                "Correct the name, or write each table as schema.table right after FROM or JOIN.",
            )
        return tree

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the words, the same for other comments and formatting; needs no syntax tree."""
        words = [
            (token.token_type.name, token.text if token.token_type in _QUOTED else token.text.lower())
            for token in tokenize(self.text, read="postgres")
        ]
        return hashlib.sha256(repr(words).encode()).hexdigest()[:32]


class Lineage(NamedTuple):
    """A column of a table that a column of the model's output is computed from."""

    from_table: str
    from_column: str
    to_column: str


def parse_model(sql: str, name: str) -> Model:
    """Parse one SELECT.

    Raises:
        DialectError: The text is no SQL, or not exactly one SELECT.
    """
    tree = parse_query(sql, name)
    model = Model(name, describe(sql), sql, _tables(tree))
    vars(model)["tree"] = tree
    return model


def read_model(sql: str, name: str, schemas: Collection[str]) -> Model:
    """One SELECT that is not parsed yet: for all tables of a project that takes over a second.

    Args:
        sql: The text.
        name: What errors call it.
        schemas: Where tables lie; tells them from columns in `extract(day from a.b)`.
    """
    found = {(schema.lower(), table.lower()) for schema, table in _READ.findall(_TEXTS.sub(" ", sql))}
    return Model(name, describe(sql), sql, frozenset(f"{s}.{t}" for s, t in found if s in schemas))


def _tables(tree: exp.Query) -> frozenset[str]:
    return frozenset(table_key(table) for table in tree.find_all(exp.Table) if table.db)


def parse_query(sql: str, name: str) -> exp.Query:
    """The syntax tree of one SELECT, unquoted names in lower case."""
    try:
        statements = [tree for tree in _parse(sql) if tree is not None]
    except (SqlglotError, RecursionError) as error:
        found = getattr(error, "errors", None) or [{}]
        line = found[0].get("line")
        where = f"{name}:{line}" if line else name
        seen = (found[0].get("description") or str(error).splitlines()[0]).split(" but got <Token")[0]
        raise DialectError("This is not SQL that can be read.", where, seen, "Try the file in psql.") from None
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise DialectError("A model is exactly one SELECT.", name, advice="Write one SELECT; use CTEs for steps.")
    tree: exp.Query = normalize_identifiers(statements[0], dialect="postgres")
    return tree


def _parse(sql: str) -> list[exp.Expr | None]:
    """The statements, every function as written but those of `functions.UNDERSTOOD` and `functions.SYNTAX`."""
    dialect = Postgres()
    tokens = dialect.tokenize(sql)
    for token, after in pairwise(tokens):
        if after.token_type is TokenType.L_PAREN and token.text.lower() in _NOT_UNDERSTOOD:
            token.text = token.text if token.token_type in _QUOTED else _HIDE + token.text
    trees = dialect.parser().parse(tokens, sql)
    for tree in trees:
        for node in tree.find_all(exp.Anonymous, exp.Identifier) if tree else ():
            if node.name.startswith(_HIDE):
                node.set("this", node.name.removeprefix(_HIDE))
    return trees


def describe(sql: str) -> str:
    """The comment before the first word of the SQL, as flowing text."""
    lines: list[str] = []
    position = 0
    while match := _LEADING.match(sql, position):
        comment = match.group(1)
        body = comment[2:] if comment.startswith("--") else comment[2:-2]
        lines += [line.strip(" *\t") for line in body.splitlines() or [""]]
        position = match.end()
    paragraphs = "\n".join(lines).split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs if paragraph.strip())


def columns_read(model: Model, schemas: Mapping[str, Mapping[str, str]]) -> dict[str, set[str]]:
    """The columns that a model reads anywhere, by table.

    Args:
        model: The model.
        schemas: Columns and their types, by table.
    """
    names = Names(model.tree, schemas)
    read: dict[str, set[str]] = {table: set() for table in model.dependencies}
    for column in model.tree.find_all(exp.Column):
        for base in names.direct_bases(column):
            read.setdefault(base.table, set()).add(base.column)
    for table, column_name in names.starred():
        read.setdefault(table, set()).add(column_name)
    return read


def column_lineage(model: Model, schemas: Mapping[str, Mapping[str, str]]) -> list[Lineage]:
    """From which columns each output column takes its values, sorted."""
    names = Names(model.tree, schemas)
    found = {
        Lineage(base.table, base.column, output)
        for output, origins in names.root_outputs().items()
        for base in names.bases(origins)
    }
    return sorted(found)
