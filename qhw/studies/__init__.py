"""One file per question: each acquires to files, analyses files, and can be run alone."""
