"""How long tests wait, in one place: only a broken product misses these, also on a machine at ten times its load.

A test that passes waits for none of them to the end, so that generous ones cost nothing.
"""

DEADLINE_S = 300.0
"""For anything that has to come about: a start, a batch, a process that takes another's place."""
REQUEST_S = 60
"""For one answer of a server that is up."""
STOP_S = 60.0
"""For a process that was asked to stop. The product promises 30 s; a machine at its limits may add to it."""
TEST_S = 1200
"""For a whole test on a broker, a PostgreSQL and a JVM."""
