"""Compiles the scan once for this machine, so that no process has to: `python -m netheal.records.json_scan`."""

from netheal.records.json_scan.preload import preload_scan

preload_scan()
