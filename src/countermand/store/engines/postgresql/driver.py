"""Transactions on the driver's own connection, in as few round trips as they can have.

SQLAlchemy runs the statements of a transaction on a connection that, as it believes, commits each of them by itself.
BEGIN, COMMIT and ROLLBACK are sent here. What needs no answer is put off, and goes in one message with what comes next:
the statement that saves a batch goes with COMMIT.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DBAPIError, InvalidatePoolError

from countermand.store.changes import LostRaceError
from countermand.store.engines.transactions import NotCommittedError, sqlstate

if TYPE_CHECKING:
    import asyncpg
    from asyncpg.prepared_stmt import PreparedStatement

LOST_RACE: Final = "lost race: "
"""How a statement that changed too few rows ends: by a cast that fails, which is the only error that plain SQL has."""

QUERY_CANCELED: Final = "57014"
"""What PostgreSQL calls a statement that took too long."""

PREPARED_MAX: Final = 64
"""So many statements are kept prepared on a connection, each for other tables."""

_BEGIN: Final = "BEGIN ISOLATION LEVEL READ COMMITTED;"
_SNAPSHOT: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ;"
_PUT_OFF: Final = "countermand.put_off"
_PREPARED: Final = "countermand.prepared"
_KEEPS_NOTHING: Final = "countermand.keeps_nothing"
_BEGINS: Final = "countermand.begins"
_BAD_CAST: Final = "22P02"
_ENDS_SESSION: Final = ("FATAL", "PANIC")


def own_transactions(engine: Engine, *, pooled: bool, more: str = "") -> None:
    """Begin and end the transactions of this engine here. A ``pooled`` connection keeps no prepared statements.

    ``more`` are commands that go with every BEGIN.
    """
    engine.update_execution_options(**{_KEEPS_NOTHING: pooled, _BEGINS: f"{_BEGIN}{more}"})
    event.listen(engine, "begin", _begin)
    event.listen(engine, "commit", _commit)
    event.listen(engine, "rollback", _rollback)
    event.listen(engine, "before_cursor_execute", lambda connection, *_: _catch_up(connection))


def own_snapshots(engine: Engine, *, more: str = "") -> None:
    """Let each connection of this engine be in a snapshot from when it leaves the pool until it is back.

    To begin one also shows whether the connection still works; if not, SQLAlchemy takes another. ``more`` are commands
    that go with every BEGIN.
    """
    event.listen(engine, "checkout", lambda adapted, *_: _begin_snapshot(adapted, f"{_SNAPSHOT}{more}"))
    event.listen(engine, "reset", _end_snapshot)


def put_off(connection: Connection, statement: str, texts: Sequence[str]) -> None:
    """Run a statement as late as nobody notices: before the next one, or with COMMIT.

    ``texts`` are its parameters. None has an apostrophe, so that none can end the literal that it becomes.

    Raises:
        LostRaceError: it was not put off, and changed too few rows.
    """
    if not connection.get_execution_options()[_KEEPS_NOTHING]:
        execution = f"EXECUTE {_prepared(connection, statement)} ({', '.join(map(_literal, texts))});"
        connection.info[_PUT_OFF].append(execution)
        return
    try:
        connection.exec_driver_sql(statement, tuple(texts))
    except DBAPIError as error:
        raise _meant_by(error) from error


def fetch(connection: Connection, statement: str, values: Sequence[Any]) -> Sequence[Any]:
    """The rows of a statement, as the driver gives them.

    Raises:
        DBAPIError: it failed.
    """
    _catch_up(connection)
    rows: Sequence[Any] = _run(connection, lambda driver: driver.fetch(statement, *values), statement)
    return rows


def alone(connection: Connection, statement: str) -> None:
    """Run a statement that is a transaction by itself, on a connection that is in none.

    Raises:
        DBAPIError: it failed.
    """
    _run(connection, lambda driver: driver.execute(statement), statement)


def _begin_snapshot(adapted: Any, begin: str) -> None:
    try:
        adapted.run_async(lambda driver: driver.execute(begin))
    except Exception as error:
        raise InvalidatePoolError from error


def _end_snapshot(adapted: Any, _: object, reset: Any) -> None:
    if not reset.terminate_only:
        adapted.run_async(lambda driver: driver.execute("ROLLBACK;"))


def _begin(connection: Connection) -> None:
    connection.info[_PUT_OFF] = [connection.get_execution_options()[_BEGINS]]


def _commit(connection: Connection) -> None:
    messages = _taken(connection)
    if messages == [connection.get_execution_options()[_BEGINS]]:
        return
    try:
        _send(connection, [*messages, "COMMIT;"])
    except DBAPIError as error:
        if not (_is_answer(error) and _driver(connection).is_in_transaction()):
            raise
        # The server says that the transaction still waits for its end, so it has not come to COMMIT.
        _send(connection, ["ROLLBACK;"])
        raise NotCommittedError(_meant_by(error)) from error


def _rollback(connection: Connection) -> None:
    if not connection.invalidated and connection.get_execution_options()[_BEGINS] not in _taken(connection):
        _send(connection, ["ROLLBACK;"])


def _catch_up(connection: Connection) -> None:
    """Send what was put off, before anything that may depend on it."""
    messages = _taken(connection)
    if messages:
        try:
            _send(connection, messages)
        except DBAPIError as error:
            raise _meant_by(error) from error


def _taken(connection: Connection) -> list[str]:
    messages: list[str] = connection.info[_PUT_OFF]
    connection.info[_PUT_OFF] = []
    return messages


def _prepared(connection: Connection, statement: str) -> str:
    """The name under which the server knows a statement. It is dropped there when nobody holds it here any more."""
    prepared: dict[str, PreparedStatement[Any]] = connection.info.setdefault(_PREPARED, {})
    if statement not in prepared:
        if len(prepared) >= PREPARED_MAX:
            prepared.clear()
        prepared[statement] = _run(connection, lambda driver: driver.prepare(statement), statement)
    return str(prepared[statement].get_name())


def _literal(text: str) -> str:
    if "'" in text:
        raise ValueError("a parameter has an apostrophe")
    return f"'{text}'"


def _send(connection: Connection, messages: Sequence[str]) -> None:
    """As one message, so in one round trip."""
    message = " ".join(messages)
    _run(connection, lambda driver: driver.execute(message), message)


def _run(connection: Connection, ask: "Callable[[asyncpg.Connection], Awaitable[Any]]", statement: str) -> Any:
    """The answer of the driver, or what SQLAlchemy would have raised.

    Raises:
        DBAPIError: it failed.
    """
    adapted: Any = connection.connection.dbapi_connection
    try:
        return adapted.run_async(ask)
    except Exception as error:
        driver = _driver(connection)
        if driver.is_closed() or getattr(error, "severity_en", "") in _ENDS_SESSION:
            driver.terminate()
            # This raises: SQLAlchemy notices it too, and trusts no other connection of that time.
            connection.exec_driver_sql("SELECT 1")
        raise DBAPIError(statement, None, error, hide_parameters=True) from error
    except BaseException as error:
        connection.invalidate(error)
        raise


def _driver(connection: Connection) -> "asyncpg.Connection":
    return connection.connection.driver_connection


def _is_answer(error: DBAPIError) -> bool:
    """Whether the server said that something is wrong with a statement, and waits for the next one."""
    return getattr(error.orig, "severity_en", "") == "ERROR"


def _meant_by(error: DBAPIError) -> Exception:
    _, is_lost, found = str(error.orig).partition(LOST_RACE)
    return LostRaceError(found.rstrip('"')) if is_lost and sqlstate(error) == _BAD_CAST else error
