"""The report of a rescoring run: figures in JSON, and a page with plots."""
