"""A snapshot that takes jobs as a device does, without a network."""
