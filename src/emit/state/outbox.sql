-- What version 2 of state.db has beside the tables of version 1. Times are microseconds since 1970 in UTC.

-- What there is to tell people, neutral as to channels.
CREATE TABLE notices (
  id INTEGER PRIMARY KEY AUTOINCREMENT, -- never used twice: `told` and `channels` remember it
  env TEXT NOT NULL,
  db_path TEXT NOT NULL,
  invocation_id TEXT NOT NULL,
  occasion TEXT NOT NULL CHECK (occasion IN ('run', 'died', 'test')),
  at_us INTEGER NOT NULL,
  rescued INTEGER NOT NULL DEFAULT 0, -- 1: who has taken it on was lost with a damaged file
  body TEXT -- JSON; NULL: told to all, and forgotten
) STRICT;
CREATE UNIQUE INDEX one_death ON notices (env, db_path, invocation_id) WHERE occasion = 'died';

-- What a channel has taken on; a notice without a delivery is one that nobody has taken on.
CREATE TABLE deliveries (
  notice INTEGER NOT NULL REFERENCES notices (id) ON DELETE CASCADE,
  channel TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'settled', 'given-up')),
  attempts INTEGER NOT NULL DEFAULT 0, -- that failed
  why TEXT,
  not_before_us INTEGER,
  telling TEXT, -- JSON; NULL: not begun
  PRIMARY KEY (notice, channel)
) STRICT, WITHOUT ROWID;
CREATE INDEX waiting ON deliveries (channel, notice) WHERE state = 'pending';

-- Parts of a pending delivery that the far end has taken.
CREATE TABLE accepted (
  notice INTEGER NOT NULL,
  channel TEXT NOT NULL,
  part TEXT NOT NULL,
  at_us INTEGER NOT NULL,
  PRIMARY KEY (notice, channel, part),
  FOREIGN KEY (notice, channel) REFERENCES deliveries (notice, channel) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- What a channel was last told of a registry, and by which notice.
CREATE TABLE told (
  env TEXT NOT NULL,
  db_path TEXT NOT NULL,
  channel TEXT NOT NULL,
  told TEXT NOT NULL, -- JSON
  upto INTEGER NOT NULL,
  PRIMARY KEY (env, db_path, channel)
) STRICT, WITHOUT ROWID;

-- Channels whose settings somebody held, and up to which notice they took on all.
CREATE TABLE channels (
  channel TEXT NOT NULL PRIMARY KEY,
  claimed_upto INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE last_deliveries (
  env TEXT NOT NULL,
  channel TEXT NOT NULL,
  at_us INTEGER NOT NULL,
  PRIMARY KEY (env, channel)
) STRICT, WITHOUT ROWID;
