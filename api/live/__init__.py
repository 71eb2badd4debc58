"""The live tail: the output topic, as WebSocket messages to everybody who watches.

`broker` reads the topic, `tail` drives it in one thread, `hub` hands each batch to the clients' bounded queues, and
`socket` empties a queue into a socket in the thread that serves it.
"""
