"""Alerts, outages and what else people have to know, told by webhook, e-mail and syslog."""
