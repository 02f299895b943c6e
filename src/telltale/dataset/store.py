"""The SQLite file below a catalogue: open, check, back up, restore. Knows nothing of pictures or labels."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from telltale.errors import CatalogueError

VERSION = 1
"""`user_version` of the file."""

APPLICATION_ID = 0x74656C6C
"""`application_id` of the file: "tell"."""

BUSY_S = 20.0
"""How long a writer waits for another one."""

KEEP = 3
"""So many backups are kept."""

CHECK_BELOW_BYTES = 256_000_000
"""Files up to this size are checked whole when opened, at about 1 GB/s."""


def connect(path: Path, *, readonly: bool) -> sqlite3.Connection:
    """An open, checked connection in autocommit mode. Raises CatalogueError."""
    if path.is_dir():  # asked once: another process may just be making the file
        raise CatalogueError(str(path), expected="a catalogue", got="a folder", next=_advice(path))
    if not path.exists():
        if readonly:
            raise CatalogueError(str(path), expected="a catalogue", got="no file", next=_advice(path))
        path.parent.mkdir(parents=True, exist_ok=True)
    elif path.stat().st_size == 0 and (readonly or backups(path)):
        raise _damaged(path, "an empty file")
    with named_errors(path):
        connection = _connect_readonly(path) if readonly else _connect(path)
        try:
            _check(path, connection, readonly=readonly)
        except BaseException:
            connection.close()
            raise
    return connection


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
    connection.execute("PRAGMA foreign_keys = ON")
    # in WAL mode a crash or kill -9 loses nothing committed; only a power cut may lose the last seconds
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def _connect_readonly(path: Path) -> sqlite3.Connection:
    """Reading a WAL file wants to write beside it; on a read-only disk it is read as it stands (`immutable`)."""
    uri = f"file:{quote(str(path))}?mode=ro"
    if not os.access(path.parent, os.W_OK):
        uri += "&immutable=1"
    return sqlite3.connect(uri, uri=True, timeout=BUSY_S, isolation_level=None)


def _check(path: Path, connection: sqlite3.Connection, *, readonly: bool) -> None:
    connection.execute("BEGIN")  # one snapshot: another process may just be making the tables
    try:
        tables = int(connection.execute("SELECT COUNT(*) FROM sqlite_schema").fetchone()[0])
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        application = int(connection.execute("PRAGMA application_id").fetchone()[0])
    finally:
        connection.execute("ROLLBACK")
    if version > VERSION and application == APPLICATION_ID:
        raise CatalogueError(
            str(path),
            expected=f"version {VERSION} or older",
            got=f"version {version}, written by a newer telltale",
            next="update telltale",
        )
    if tables and application != APPLICATION_ID:
        raise CatalogueError(str(path), expected="a telltale catalogue", got="another program's SQLite file")
    if not tables and readonly:
        raise CatalogueError(str(path), expected="a telltale catalogue", got="an empty SQLite file")
    if not tables:
        _create(connection)
    elif path.stat().st_size <= CHECK_BELOW_BYTES:
        verdict = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
        if verdict != "ok":
            raise _damaged(path, verdict.splitlines()[-1])


def _create(connection: sqlite3.Connection) -> None:
    _use_wal(connection)
    schema = (Path(__file__).parent / "schema.sql").read_text(encoding="utf-8")
    connection.execute("BEGIN IMMEDIATE")  # two programs may create it at once: the second finds it made
    try:
        if connection.execute("SELECT COUNT(*) FROM sqlite_schema").fetchone()[0] == 0:
            for statement in _statements(schema):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _use_wal(connection: sqlite3.Connection) -> None:
    """The switch needs the file alone and does not wait for it by itself."""
    end_s = time.monotonic() + BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > end_s:
                raise
            time.sleep(0.01)


def _statements(schema: str) -> Iterator[str]:
    """Split at the semicolons that end a statement: those of a trigger's body do not."""
    statement = ""
    for line in schema.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


# --- backups ----------------------------------------------------------------------------------------------------------


def backup_folder(path: Path) -> Path:
    """Where the copies of a catalogue lie."""
    return path.parent / f"{path.stem}.backups"


def backups(path: Path) -> list[Path]:
    """The copies of a catalogue, newest first."""
    return sorted(backup_folder(path).glob("*.db"), reverse=True)


def back_up(path: Path, connection: sqlite3.Connection) -> Path | None:
    """Copy a catalogue with SQLite's own backup; None when there is nothing in it yet. Keeps the newest KEEP."""
    if connection.execute("SELECT COUNT(*) FROM image").fetchone()[0] == 0:
        return None
    folder = backup_folder(path)
    folder.mkdir(exist_ok=True)
    name = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    temporary = folder / f".{name}-{os.getpid()}"
    try:
        with closing(sqlite3.connect(temporary)) as copy:
            connection.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, without -wal beside it
        os.replace(temporary, folder / f"{name}.db")
    finally:
        temporary.unlink(missing_ok=True)
    for old in backups(path)[KEEP:]:
        old.unlink(missing_ok=True)
    return folder / f"{name}.db"


def healthy_backup(path: Path) -> Path | None:
    """The newest copy that passes SQLite's check."""
    for copy in backups(path):
        try:
            with closing(sqlite3.connect(f"file:{quote(str(copy))}?mode=ro&immutable=1", uri=True)) as connection:
                if connection.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok":
                    return copy
        except sqlite3.DatabaseError:
            continue
    return None


def restore(path: Path) -> tuple[Path, Path | None]:
    """Put the newest healthy backup in place of a damaged catalogue, which is kept under another name.

    Returns the backup used and where the damaged file went (None if there was none). Raises CatalogueError.
    """
    copy = healthy_backup(path)
    if copy is None:
        raise CatalogueError(str(path), expected="a healthy backup", got="none", next="import the pictures again")
    kept = None
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            aside = path.with_name(f"{path.name}.damaged-{stamp}{suffix}")
            os.replace(part, aside)
            kept = kept or aside
    temporary = path.with_name(f".{path.name}-{os.getpid()}")
    shutil.copyfile(copy, temporary)
    os.replace(temporary, path)
    return copy, kept


# --- errors -----------------------------------------------------------------------------------------------------------


@contextmanager
def named_errors(path: Path) -> Iterator[None]:
    """SQLite's errors as CatalogueErrors that name the file."""
    try:
        yield
    except (sqlite3.ProgrammingError, sqlite3.IntegrityError):
        raise  # our own mistake, not the file's
    except sqlite3.OperationalError as error:
        text = str(error)
        if "locked" in text or "busy" in text:
            raise CatalogueError(
                str(path),
                expected=f"its turn to write within {BUSY_S:.0f} s",
                got="another program writing all the time",
                next="wait for it to end, or end it",
            ) from error
        if "disk I/O" in text or "malformed" in text:
            raise _damaged(path, text) from error
        raise CatalogueError(
            str(path), expected="a catalogue that can be used", got=text, next=_permission(path)
        ) from error
    except sqlite3.DatabaseError as error:
        raise _damaged(path, str(error)) from error


def _damaged(path: Path, got: str) -> CatalogueError:
    return CatalogueError(f"{path} is damaged", expected="a telltale catalogue", got=got, next=_advice(path))


def _advice(path: Path) -> str:
    copy = healthy_backup(path)
    if copy is None:
        return "there is no backup yet; the pictures themselves are untouched"
    return f"nothing was changed; `telltale label restore` goes back to {copy}"


def _permission(path: Path) -> str:
    return "check free space and permissions of the folder" if path.exists() else "check that the folder exists"
