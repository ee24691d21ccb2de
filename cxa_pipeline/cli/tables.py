"""`cxa tables`: what is published, and what each table means."""

from __future__ import annotations

import click

from cxa_pipeline.cli.output import heading, say
from cxa_pipeline.cli.output import table as print_table
from cxa_pipeline.defs.home import open_home
from cxa_pipeline.errors import RunError


@click.command()
@click.argument("table", required=False)
@click.option("--sql", is_flag=True, help="Print the SQL that makes TABLE.")
@click.option("--markdown", is_flag=True, help="Print the whole data dictionary as Markdown.")
def tables(table: str | None, sql: bool, markdown: bool) -> None:
    """List the tables, or describe one TABLE (schema.table) with its columns, checks and what it is made of.

    \b
    Examples:  cxa tables
               cxa tables kpi.monthly
               cxa tables kpi.monthly --sql
    """
    project = open_home().project
    if markdown:
        from cxa_pipeline.contracts.dictionary import tables_markdown

        click.echo(tables_markdown(project.catalog, project.dependencies), nl=False)
        return
    if table is None:
        rows = [(c.key, c.kind, c.description.split(". ")[0]) for c in project.catalog if c.published]
        print_table(["table", "kind", "one row"], rows)
        say("\ndescribe one with: cxa tables SCHEMA.TABLE")
        return
    if table not in project.catalog:
        raise RunError(f"No table is called {table}", advice="`cxa tables` lists all tables")
    if sql:
        click.echo(project.sql.get(table, f"-- {table} is not made by SQL\n"), nl=False)
        return
    contract = project.catalog[table]
    heading(table)
    say(contract.description)
    heading("Columns")
    keys = set(contract.primary_key)
    columns = [(("*" if c.name in keys else "") + c.name, c.type, c.unit, c.description) for c in contract.columns]
    print_table(["column (* key)", "type", "unit", "meaning"], columns)
    if contract.rules:
        heading("Checks")
        print_table(
            ["check", "severity", "a failure means"], [(r.name, r.severity, r.description) for r in contract.rules]
        )
    heading("Made of")
    say(", ".join(project.dependencies(table)) or "no other table")
    readers = project.dependents([table]) - {table} if contract.kind != "record" else ()
    say(f"read by: {', '.join(sorted(readers)) or 'no other table'}")
