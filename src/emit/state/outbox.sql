-- state.db, version 2: what people are still to be told, and what each channel was last told.

-- Neutral as to channels: whoever holds a channel's settings makes a delivery of it.
CREATE TABLE notices (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  env TEXT NOT NULL,
  db_path TEXT NOT NULL,
  invocation_id TEXT NOT NULL,
  occasion TEXT NOT NULL CHECK (occasion IN ('run', 'died')),
  at_us INTEGER NOT NULL,
  body TEXT NOT NULL -- JSON
) STRICT;
CREATE UNIQUE INDEX one_death ON notices (env, db_path, invocation_id) WHERE occasion = 'died';

CREATE TABLE deliveries (
  channel TEXT NOT NULL,
  notice INTEGER NOT NULL REFERENCES notices (id) ON DELETE CASCADE,
  settled_us INTEGER, -- NULL: it waits
  attempts INTEGER NOT NULL DEFAULT 0,
  why TEXT, -- the last attempt's failure
  not_before_us INTEGER, -- the far end asked to be left alone
  telling TEXT, -- JSON; from before the first attempt on
  PRIMARY KEY (channel, notice)
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_of_a_notice ON deliveries (notice);
CREATE INDEX waiting ON deliveries (channel, notice) WHERE settled_us IS NULL;

-- Recipients and events that were taken, of messages that were not yet taken whole.
CREATE TABLE accepted (
  channel TEXT NOT NULL,
  notice INTEGER NOT NULL REFERENCES notices (id) ON DELETE CASCADE,
  part TEXT NOT NULL,
  PRIMARY KEY (channel, notice, part)
) STRICT, WITHOUT ROWID;

CREATE TABLE told (
  env TEXT NOT NULL,
  db_path TEXT NOT NULL,
  channel TEXT NOT NULL,
  notice INTEGER NOT NULL, -- up to this one
  told TEXT NOT NULL, -- JSON
  last_delivery_us INTEGER, -- NULL: it never took anything
  PRIMARY KEY (env, db_path, channel)
) STRICT, WITHOUT ROWID;

-- Channels that somebody holds the settings of, and the first notice that is for them.
CREATE TABLE channels (
  channel TEXT PRIMARY KEY,
  since_notice INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
