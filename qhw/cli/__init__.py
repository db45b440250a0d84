"""What is typed: options, help, and one call of a command each."""
