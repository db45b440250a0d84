"""IBM's platform behind the contract of `qhw.jobs.runner`; the only room that knows its client."""
