"""A replay that is killed after the step that FAILPOINT names. Only tests start it."""

import os
import signal
from typing import Any

from netheal.registry.artefacts import Artefacts
from netheal.replay import replay as module
from netheal.replay.replay import Replay, ReplayOptions
from netheal.settings import load_settings
from netheal.store.database import connect
from netheal.store.delta import DeltaLog
from netheal.telemetry import configure_logging


def reached(step: str) -> None:
    """Die here, if this is the place."""
    if os.environ["FAILPOINT"] == step:
        os.kill(os.getpid(), signal.SIGKILL)


def then(function: Any, step: str) -> Any:
    """The function, after which a step is reached."""

    def called(*arguments: Any) -> Any:
        result = function(*arguments)
        reached(step)
        return result

    return called


def main() -> None:
    """The entry point."""
    configure_logging()
    settings = load_settings()
    for name, step in (("pin_replay", "pinned"), ("close_replay", "closed")):
        setattr(module, name, then(getattr(module, name), step))
    module.Replay._write_part = then(Replay._write_part, "part_written")  # type: ignore[method-assign]
    DeltaLog.commit = then(DeltaLog.commit, "committed")  # type: ignore[method-assign]
    paths = settings.paths
    Replay(
        connect(settings.postgres.dsn.get_secret_value()),
        Artefacts(paths.artefacts_dir),
        paths.delta_root,
        paths.policy_path,
        settings.stream.serving_days,
        then(lambda _: None, "messages_sent"),
    ).run(ReplayOptions())


if __name__ == "__main__":
    main()
