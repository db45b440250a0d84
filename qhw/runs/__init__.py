"""A run's folder: settings, checkpoints, lock."""
