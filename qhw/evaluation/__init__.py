"""Playing policies on paired latents, and judging the pictures."""
