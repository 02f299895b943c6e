-- The catalogue: which pictures there are, what was said of them, and which split each group belongs to.
-- Version 1. Times are UTC, ISO 8601. JSON as `json.dumps` writes it.

CREATE TABLE image (
    id        INTEGER PRIMARY KEY,
    sha256    TEXT    NOT NULL UNIQUE,  -- of the file, hexadecimal
    file      TEXT    NOT NULL,         -- below the images folder
    width     INTEGER NOT NULL,         -- pixels, upright
    height    INTEGER NOT NULL,
    near      BLOB    NOT NULL,         -- fingerprint for near-duplicates, see near.py
    in_group  TEXT    NOT NULL,         -- what must not be split: same car, tile, door session, video
    source    TEXT    NOT NULL,
    meta      TEXT    NOT NULL,         -- JSON object
    added_at  TEXT    NOT NULL
) STRICT;

CREATE INDEX image_in_group ON image (in_group);

-- A journal: rows are only ever added. The newest row of an image and a name wins, unless a later row undoes it.
CREATE TABLE label (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    image_id    INTEGER NOT NULL REFERENCES image (id),
    name        TEXT    NOT NULL,
    value       TEXT,                   -- JSON; 'null' says: unknown again. NULL in a row that undoes
    visible_px  INTEGER,                -- how many pixels of the picture show it; NULL: nobody measured
    undoes      INTEGER REFERENCES label (seq),
    who         TEXT    NOT NULL,
    said_at     TEXT    NOT NULL
) STRICT;

CREATE INDEX label_of ON label (image_id, name, seq);
CREATE UNIQUE INDEX label_undoes ON label (undoes) WHERE undoes IS NOT NULL;

CREATE TRIGGER label_is_never_changed BEFORE UPDATE ON label
BEGIN SELECT RAISE(ABORT, 'the label journal is append-only'); END;

CREATE TRIGGER label_is_never_removed BEFORE DELETE ON label
BEGIN SELECT RAISE(ABORT, 'the label journal is append-only'); END;

CREATE VIEW current_label AS
SELECT image_id, name, value, visible_px, who, said_at, MAX(seq) AS seq
FROM label AS l
WHERE undoes IS NULL AND NOT EXISTS (SELECT 1 FROM label AS later WHERE later.undoes = l.seq)
GROUP BY image_id, name;

CREATE TABLE split (
    in_group  TEXT PRIMARY KEY,
    split     TEXT NOT NULL CHECK (split IN ('train', 'calibration', 'test'))
) STRICT;
