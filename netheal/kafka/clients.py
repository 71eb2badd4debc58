"""Clients of librdkafka, all made here: none prints lines of its own between ours.

What goes wrong reaches the caller as an exception or a delivery report, and the user as a sentence of ours.
"""

from collections.abc import Mapping
from typing import Any

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient

Options = Mapping[str, Any]
_QUIET: dict[str, Any] = {"log_level": 0}


def admin_client(bootstrap_servers: str, options: Options | None = None) -> AdminClient:
    """A client for topics; `options` are librdkafka properties for a secured cluster."""
    return AdminClient({**(options or {}), "bootstrap.servers": bootstrap_servers, **_QUIET})


def idempotent_producer(bootstrap_servers: str, options: Options | None = None, **own: Any) -> Producer:
    """A producer that neither loses nor repeats what it was given while it lives.

    `own` are the caller's properties with `_` for `.`, which `options`, those of the cluster, may overrule.
    """
    return Producer(
        {
            **_dotted(own),
            **(options or {}),
            "bootstrap.servers": bootstrap_servers,
            "enable.idempotence": True,
            "acks": "all",
            **_QUIET,
        }
    )


def topic_reader(bootstrap_servers: str, options: Options | None = None, **own: Any) -> Consumer:
    """A consumer outside any group, for reading topics from where one says.

    `own` are the caller's properties with `_` for `.`, which `options`, those of the cluster, do not overrule.
    """
    return Consumer(
        {
            **(options or {}),
            "auto.offset.reset": "earliest",
            **_dotted(own),
            "bootstrap.servers": bootstrap_servers,
            "group.id": "netheal-reader",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            **_QUIET,
        }
    )


def _dotted(own: Options) -> dict[str, Any]:
    return {name if name == "error_cb" else name.replace("_", "."): value for name, value in own.items()}
