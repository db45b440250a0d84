"""What the questions measure, and how it is kept."""
