"""Addresses of a PostgreSQL database: the forms that drivers want, and the form that may be shown.

Here: text only. Not here: opening connections (`connection`), the embedded server's own address (`server`).

The canonical form is a libpq URI, `postgresql://user:password@host:port/database?parameter=value`; a unix socket
stands in the parameters, `postgresql://user:password@/database?host=/folder&port=5432`.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from cxa_pipeline.errors import SettingsError

_SCHEME = re.compile(r"^postgres(ql)?(\+\w+)?://")
_IN_URL = re.compile(r"(\w+://[^:/@\s?#]*:)[^@\s]*(?=@)")
_IN_WORDS = re.compile(r"(\bpassword\s*=\s*)('(?:[^'\\]|\\.)*'|[^\s&'\"]+)", re.IGNORECASE)


def libpq_url(url: str) -> str:
    """The URL for psycopg, ADBC and psql, whichever of the usual schemes was given.

    >>> libpq_url("postgresql+psycopg2://a:b@h/d")
    'postgresql://a:b@h/d'
    """
    if not _SCHEME.match(url):
        raise SettingsError(
            "The address of PostgreSQL is not understood",
            where="CXA_POSTGRES_URL",
            evidence=redact(url) if "://" in url else (),
            advice="write postgresql://user:password@host:5432/database",
        )
    return _SCHEME.sub("postgresql://", url)


def sqlalchemy_url(url: str) -> str:
    """The URL for SQLAlchemy, which Dagster's storage and Great Expectations use.

    Names psycopg2: with `postgresql://` SQLAlchemy 2.1 takes psycopg 3, and Dagster then dies on NOTIFY.

    >>> sqlalchemy_url("postgresql://a:b@/d?host=/run&port=1")
    'postgresql+psycopg2://a:b@/d?host=/run&port=1'
    """
    return libpq_url(url).replace("postgresql://", "postgresql+psycopg2://", 1)


def with_database(url: str, database: str) -> str:
    """The same server and user, another database.

    >>> with_database("postgresql://a:b@/d?host=/run", "dagster")
    'postgresql://a:b@/dagster?host=/run'
    """
    parts = urlsplit(libpq_url(url))
    parameters = [(name, value) for name, value in _parameters(parts.query) if name != "dbname"]
    return urlunsplit(("postgresql", parts.netloc, "/" + quote(database), _query(parameters), ""))


def database_of(url: str) -> str:
    """Name of the database; PostgreSQL's default, the user's name, if the URL names none."""
    parts = urlsplit(libpq_url(url))
    named = dict(_parameters(parts.query)).get("dbname") or unquote(parts.path.lstrip("/"))
    return named or unquote(parts.username or "")


def without_password(url: str) -> tuple[str, str | None]:
    """The URL without its password, and the password: for programs whose command line everybody sees.

    >>> without_password("postgresql://a:b@h/d")
    ('postgresql://a@h/d', 'b')
    """
    parts = urlsplit(libpq_url(url))
    parameters = _parameters(parts.query)
    password = dict(parameters).get("password") or (unquote(parts.password) if parts.password else None)
    userinfo, at, host = parts.netloc.rpartition("@")
    netloc = userinfo.partition(":")[0] + at + host
    rest = _query([(name, value) for name, value in parameters if name != "password"])
    return urlunsplit(("postgresql", netloc, parts.path, rest, "")), password


def socket_url(user: str, password: str, database: str, folder: str, port: int) -> str:
    """URL of a database behind a unix socket in `folder`."""
    where = _query([("host", folder), ("port", str(port))])
    return f"postgresql://{quote(user)}:{quote(password, safe='')}@/{quote(database)}?{where}"


def redact(text: str) -> str:
    """The text with the password of every address in it hidden, for logs and errors.

    >>> redact("cannot reach postgresql://cxa:secret@db:5432/cxa?sslmode=require")
    'cannot reach postgresql://cxa:***@db:5432/cxa?sslmode=require'
    """
    return _IN_WORDS.sub(r"\1***", _IN_URL.sub(r"\1***", text))


def _parameters(query: str) -> list[tuple[str, str]]:
    return parse_qsl(query.replace("+", "%2B"))


def _query(parameters: list[tuple[str, str]]) -> str:
    """Parameters as libpq reads them: a plus sign is a plus sign, a space is %20."""
    return urlencode(parameters, safe="/", quote_via=quote)
