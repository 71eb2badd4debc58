"""The writers of a micro-batch or an upload: Delta parts, Postgres rows, the output topic."""
