"""Every number in the docs, measured. `python -m bench` runs all; `python -m bench NAME` one."""
