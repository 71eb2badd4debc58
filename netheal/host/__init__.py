"""The machine that netheal runs on: child processes, ports, folders, disks."""
