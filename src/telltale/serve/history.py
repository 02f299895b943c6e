"""What a server told, kept in SQLite with a limit: every answer counted, some kept with pictures. Knows nothing of
models or routes; its methods may be called from any thread.

Counts are kept for each second (a quarter of an hour) and each minute (`keep_days`). Pictures are kept as they came,
the oldest thrown away where they pass `keep_bytes` or `keep_days`.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from telltale.errors import ServeError
from telltale.serve.settings import MonitorSettings
from telltale.tasks.task import Json

SPANS: dict[str, tuple[int, int, int]] = {"minute": (1, 1, 60), "hour": (60, 60, 60), "day": (60, 600, 144)}
"""Span to the step counted in, the step shown and how many of those, in seconds."""

STATES = ("on", "off", "unsure")
SECONDS_KEPT_S = 900
MEMORY_MB = 100.0
"""Of pictures kept where no file is given."""

VERSION = 1

SCHEMA = """
CREATE TABLE IF NOT EXISTS told (
  id INTEGER PRIMARY KEY AUTOINCREMENT, at_s REAL NOT NULL, via TEXT NOT NULL, age_ms REAL NOT NULL,
  infer_ms REAL NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL, unsure INTEGER NOT NULL,
  result TEXT NOT NULL, bytes INTEGER NOT NULL, sent INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS told_unsure ON told (unsure, id);
CREATE TABLE IF NOT EXISTS picture (id INTEGER PRIMARY KEY REFERENCES told (id), data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS count (
  step INTEGER, bucket INTEGER, name TEXT, state TEXT, n INTEGER NOT NULL,
  PRIMARY KEY (step, bucket, name, state)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pace (
  step INTEGER, bucket INTEGER, told INTEGER NOT NULL, age_ms REAL NOT NULL, PRIMARY KEY (step, bucket)) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """One answer that is kept. result: name to prob and state, of masks also count and area. sent: to labelling."""

    id: int
    at_s: float
    via: str
    age_ms: float
    infer_ms: float
    size: tuple[int, int]
    unsure: bool
    result: dict[str, Json]
    sent: bool

    def to_json(self) -> dict[str, Json]:
        return {
            "id": self.id,
            "at_s": round(self.at_s, 3),
            "via": self.via,
            "age_ms": round(self.age_ms, 3),
            "infer_ms": round(self.infer_ms, 3),
            "size": list(self.size),
            "unsure": self.unsure,
            "result": self.result,
            "sent": self.sent,
        }


@dataclass(frozen=True, slots=True)
class NewTold:
    """An answer to be kept with its picture's file."""

    at_s: float
    via: str
    age_ms: float
    infer_ms: float
    size: tuple[int, int]
    unsure: bool
    result: dict[str, Json]
    data: bytes


Counts = Mapping[tuple[int, str, str], int]
"""(second, name, state) to how many answers."""

Pace = Mapping[int, tuple[int, float]]
"""Second to how many answers, and the sum of their ages in ms."""


class History:
    """One file, or memory. path: None keeps everything in memory and loses it at the end."""

    def __init__(self, path: Path | None, *, keep_days: float = 7.0, keep_bytes: int = 500_000_000) -> None:
        """Raises ServeError when the file cannot be opened or is another program's."""
        self.path, self.keep_days, self.keep_bytes = path, keep_days, keep_bytes
        self._lock = threading.Lock()
        try:
            self._db = sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute("PRAGMA auto_vacuum=INCREMENTAL")
            version = int(self._db.execute("PRAGMA user_version").fetchone()[0])
            tables = self._db.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]
            if version != VERSION and (version or tables):
                raise sqlite3.DatabaseError(f"version {version} of something else")
            self._db.executescript(SCHEMA)
            self._db.execute(f"PRAGMA user_version={VERSION}")
        except (sqlite3.Error, OSError) as cause:
            raise ServeError(
                f"history {path}",
                expected="a file of telltale's monitor, or a new one",
                got=str(cause),
                next="give another with --history",
            ) from cause

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def write(self, told: Sequence[NewTold], counts: Counts, pace: Pace) -> None:
        """All of it or none."""
        with self._lock, self._db:
            self._db.execute("BEGIN")
            for (second, name, state), n in counts.items():
                self._db.executemany(
                    "INSERT INTO count VALUES (?, ?, ?, ?, ?)"
                    " ON CONFLICT (step, bucket, name, state) DO UPDATE SET n = n + excluded.n",
                    [(step, second // step, name, state, n) for step in (1, 60)],
                )
            for second, (n, age_ms) in pace.items():
                self._db.executemany(
                    "INSERT INTO pace VALUES (?, ?, ?, ?) ON CONFLICT (step, bucket)"
                    " DO UPDATE SET told = told + excluded.told, age_ms = age_ms + excluded.age_ms",
                    [(step, second // step, n, age_ms) for step in (1, 60)],
                )
            for each in told:
                row = self._db.execute(
                    "INSERT INTO told (at_s, via, age_ms, infer_ms, width, height, unsure, result, bytes)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        each.at_s, each.via, each.age_ms, each.infer_ms, *each.size, each.unsure,
                        json.dumps(each.result, separators=(",", ":")), len(each.data),
                    ),
                )  # fmt: skip
                self._db.execute("INSERT INTO picture VALUES (?, ?)", (row.lastrowid, each.data))

    def prune(self, now_s: float) -> None:
        """Throw away what passes a limit."""
        oldest_s = now_s - self.keep_days * 86400
        with self._lock, self._db:
            self._db.execute("BEGIN")
            self._db.execute("DELETE FROM count WHERE step = 1 AND bucket < ?", (int(now_s) - SECONDS_KEPT_S,))
            self._db.execute("DELETE FROM pace WHERE step = 1 AND bucket < ?", (int(now_s) - SECONDS_KEPT_S,))
            self._db.execute("DELETE FROM count WHERE step = 60 AND bucket < ?", (int(oldest_s) // 60,))
            self._db.execute("DELETE FROM pace WHERE step = 60 AND bucket < ?", (int(oldest_s) // 60,))
            last = self._db.execute("SELECT MAX(id) FROM told WHERE at_s < ?", (oldest_s,)).fetchone()[0] or 0
            over = int(self._db.execute("SELECT COALESCE(SUM(bytes), 0) FROM told WHERE id > ?", (last,)).fetchone()[0])
            over -= self.keep_bytes
            if over > 0:
                for row_id, size in self._db.execute("SELECT id, bytes FROM told WHERE id > ? ORDER BY id", (last,)):
                    last, over = row_id, over - size
                    if over <= 0:
                        break
            self._db.execute("DELETE FROM picture WHERE id <= ?", (last,))
            self._db.execute("DELETE FROM told WHERE id <= ?", (last,))
        with self._lock:
            self._db.execute("PRAGMA incremental_vacuum(2000)").fetchall()

    def trend(self, span: str, now_s: float) -> dict[str, Json]:
        """Counts of one of SPANS: `t_s` (starts of steps), `told`, `age_ms` (mean, null), `states` (by name and state).

        The last is the step that is under way; each is `step_s` long.
        """
        assert span in SPANS, span
        stored, step, count = SPANS[span]
        first = int(now_s) // step - count + 1
        per = step // stored
        told, ages = [0] * count, [0.0] * count
        states: dict[str, dict[str, list[int]]] = {}
        with self._lock:
            for bucket, n, age_ms in self._db.execute(
                "SELECT bucket, told, age_ms FROM pace WHERE step = ? AND bucket >= ?", (stored, first * per)
            ):
                at = bucket // per - first
                if at < count:
                    told[at] += n
                    ages[at] += age_ms
            for bucket, name, state, n in self._db.execute(
                "SELECT bucket, name, state, n FROM count WHERE step = ? AND bucket >= ?", (stored, first * per)
            ):
                at = bucket // per - first
                if at < count:
                    states.setdefault(name, {s: [0] * count for s in STATES})[state][at] += n
        return {
            "span": span,
            "step_s": step,
            "t_s": [(first + i) * step for i in range(count)],
            "told": told,
            "age_ms": [round(a / n, 2) if n else None for a, n in zip(ages, told, strict=True)],
            "states": states,
        }

    def list_told(self, *, unsure: bool = False, before: int | None = None, limit: int = 60) -> list[Kept]:
        """The newest first. unsure: only those with a name nobody could tell, not sent to labelling yet."""
        with self._lock:
            rows = self._db.execute(
                "SELECT id, at_s, via, age_ms, infer_ms, width, height, unsure, result, sent FROM told"
                " WHERE (?1 = 0 OR (unsure = 1 AND sent = 0)) AND (?2 IS NULL OR id < ?2) ORDER BY id DESC LIMIT ?3",
                (int(unsure), before, limit),
            ).fetchall()
        return [_kept(row) for row in rows]

    def find(self, told_id: int) -> tuple[Kept, bytes] | None:
        """An answer and its picture's file."""
        with self._lock:
            row = self._db.execute(
                "SELECT t.id, at_s, via, age_ms, infer_ms, width, height, unsure, result, sent, data"
                " FROM told AS t JOIN picture AS p ON p.id = t.id WHERE t.id = ?",
                (told_id,),
            ).fetchone()
        return None if row is None else (_kept(row[:-1]), bytes(row[-1]))

    def mark_sent(self, ids: Sequence[int]) -> None:
        with self._lock, self._db:
            self._db.execute("BEGIN")
            self._db.executemany("UPDATE told SET sent = 1 WHERE id = ?", [(i,) for i in ids])

    def size(self) -> dict[str, int]:
        """How many pictures, their bytes, and how many of them are unsure and not sent."""
        with self._lock:
            n, total, unsure = self._db.execute(
                "SELECT COUNT(*), COALESCE(SUM(bytes), 0), COALESCE(SUM(unsure AND NOT sent), 0) FROM told"
            ).fetchone()
        return {"pictures": int(n), "bytes": int(total), "unsure": int(unsure)}


def open_history(settings: MonitorSettings) -> History:
    """As the settings say; in memory less is kept. Raises ServeError."""
    keep_mb = settings.keep_mb if settings.history else min(settings.keep_mb, MEMORY_MB)
    return History(settings.history, keep_days=settings.keep_days, keep_bytes=int(keep_mb * 1e6))


def _kept(row: Sequence[Json]) -> Kept:
    told_id, at_s, via, age_ms, infer_ms, width, height, unsure, result, sent = row
    return Kept(told_id, at_s, via, age_ms, infer_ms, (width, height), bool(unsure), json.loads(result), bool(sent))
