"""What learns: the trainer, its parts, and a training under way."""
