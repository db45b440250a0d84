"""One file for each question that a report answers."""
