-- What version 3 of state.db has beside the tables of version 2.

-- The file in whose place this one was put, until people have been told of it: what was in it may be lost.
CREATE TABLE set_aside (
  name TEXT NOT NULL, -- in the same folder
  why TEXT NOT NULL
) STRICT;
