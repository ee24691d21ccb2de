"""Addresses: the forms that drivers want, and the form that may be shown."""

import psycopg
import pytest

from cxa_pipeline.errors import SettingsError
from cxa_pipeline.warehouse.address import (
    database_of,
    libpq_url,
    redact,
    socket_url,
    sqlalchemy_url,
    with_database,
    without_password,
)

SOCKET = socket_url("cxa", "p@ss/word", "cxa", "/home/a shop/run", 5432)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2", "postgresql+psycopg"])
def test_the_usual_schemes_are_understood(scheme):
    assert libpq_url(f"{scheme}://a:b@h:1/d?sslmode=require") == "postgresql://a:b@h:1/d?sslmode=require"


def test_another_scheme_is_refused_without_showing_the_password():
    with pytest.raises(SettingsError) as caught:
        libpq_url("mysql://a:secret@h/d")
    assert "secret" not in str(caught.value) and "mysql://a:***@h/d" in str(caught.value)


def test_libpq_reads_a_socket_url_as_it_was_meant():
    parts = psycopg.conninfo.conninfo_to_dict(SOCKET)
    assert parts == {
        "user": "cxa",
        "password": "p@ss/word",
        "dbname": "cxa",
        "host": "/home/a shop/run",
        "port": "5432",
    }


def test_another_database_of_the_same_server():
    assert with_database(SOCKET, "dagster") == SOCKET.replace("@/cxa?", "@/dagster?")
    assert with_database("postgresql://a@h/d?dbname=x", "y") == "postgresql://a@h/y"
    assert [database_of(u) for u in (SOCKET, "postgresql://a@h/?dbname=x", "postgresql://a@h")] == ["cxa", "x", "a"]


def test_dagster_gets_psycopg2(postgres_url):
    import sqlalchemy

    engine = sqlalchemy.create_engine(sqlalchemy_url(postgres_url))
    with engine.connect() as connection:
        assert connection.execute(sqlalchemy.text("select 1")).scalar() == 1
    assert engine.driver == "psycopg2"
    engine.dispose()


def test_a_password_leaves_the_url_for_programs_whose_command_line_is_seen():
    url, password = without_password(SOCKET)
    assert password == "p@ss/word" and "word" not in url and with_database(url, "cxa") == url
    assert without_password("postgresql://a@h/d?password=x&port=1") == ("postgresql://a@h/d?port=1", "x")
    assert without_password("postgresql://h/d") == ("postgresql://h/d", None)


@pytest.mark.parametrize(
    "text",
    [
        SOCKET,
        "could not connect to postgresql+psycopg2://cxa:p%40ss%2Fword@db:5432/cxa (refused)",
        "host=db password=p@ss/word user=cxa",
        "host=db password='p@ss/word' user=cxa",
        "postgresql://cxa@db/cxa?password=p@ss/word&sslmode=require",
    ],
)
def test_no_password_is_shown(text):
    shown = redact(text)
    assert "***" in shown and "word@" not in shown and "p@ss" not in shown and "p%40ss" not in shown
    assert redact("postgresql://cxa@db/cxa") == "postgresql://cxa@db/cxa"
