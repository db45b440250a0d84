"""A quantum device as a backend: opening, mitigation, drift, the session and its bill."""
