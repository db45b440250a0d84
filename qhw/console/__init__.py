"""What is said on a terminal: tables, long work, `--json` and `--quiet`."""
