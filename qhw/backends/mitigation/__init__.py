"""Error mitigation: what is done to measured values so that they come nearer the ideal ones."""
