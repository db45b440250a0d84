"""Where <Z> comes from."""
