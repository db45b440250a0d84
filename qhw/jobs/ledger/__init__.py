"""Everything that was ever submitted, in one SQLite file."""
