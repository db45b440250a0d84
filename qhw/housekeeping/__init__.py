"""Look at what is there, and tidy it: runs, caches, devices, jobs, the installation."""
