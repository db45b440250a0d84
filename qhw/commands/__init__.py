"""One file for each command of `qhw --help`: what it does and prints."""
