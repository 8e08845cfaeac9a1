-- What version 1 of state.db has; `outbox.sql` is what version 2 adds. Times are microseconds since 1970 in
-- UTC, durations microseconds.

CREATE TABLE runs (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  env TEXT NOT NULL,
  db_path TEXT NOT NULL,
  start_us INTEGER NOT NULL,
  finish_us INTEGER NOT NULL,
  invocation_id TEXT NOT NULL,
  strict INTEGER NOT NULL,
  incomplete TEXT,
  state TEXT NOT NULL CHECK (state IN ('ok', 'unknown', 'warning', 'critical')),
  total INTEGER NOT NULL,
  passed INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  error INTEGER NOT NULL,
  skipped INTEGER NOT NULL,
  violations INTEGER NOT NULL
) STRICT;
CREATE INDEX runs_of_a_registry ON runs (env, db_path, id);

CREATE TABLE evaluations (
  run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  invariant TEXT NOT NULL,
  severity TEXT NOT NULL CHECK (severity IN ('warning', 'critical')),
  state TEXT NOT NULL CHECK (state IN ('ok', 'unknown', 'warning', 'critical', 'skipped')),
  violations INTEGER, -- NULL: not counted
  examined INTEGER, -- NULL: not known
  duration_us INTEGER,
  PRIMARY KEY (run, invariant)
) STRICT, WITHOUT ROWID;

-- From the first run that saw violations of an invariant to the first that saw none.
CREATE TABLE incidents (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  env TEXT NOT NULL,
  db_path TEXT NOT NULL,
  invariant TEXT NOT NULL,
  opened_us INTEGER NOT NULL,
  recovered_us INTEGER -- NULL: still open
) STRICT;
CREATE INDEX incidents_of_a_registry ON incidents (env, db_path, invariant, id);
CREATE UNIQUE INDEX one_open_incident ON incidents (env, db_path, invariant) WHERE recovered_us IS NULL;
