"""Whether netheal may make, write and read files where its settings say that they are."""

import tempfile

from netheal.errors import SettingsError
from netheal.host.disk import existing_part
from netheal.host.fsync import local_folder
from netheal.settings import Settings


def folders(settings: Settings) -> str:
    """Raises SettingsError where a folder cannot be written or listed. What is not local is named, not tried."""
    places = {
        "NETHEAL_STORE_ROOT": settings.paths.delta_root,
        "NETHEAL_ARTEFACTS_ROOT": str(settings.paths.artefacts_dir),
        "NETHEAL_CHECKPOINT_DIR": settings.paths.checkpoint,
    }
    elsewhere = []
    for name, place in places.items():
        folder = local_folder(place)
        if folder is None:
            elsewhere.append(place)
            continue
        there = existing_part(folder)
        try:
            next(there.iterdir(), None)
            with tempfile.TemporaryFile(dir=there):
                pass
        except OSError as error:
            raise SettingsError(
                f"{there} cannot be written and listed ({error.strerror}), which {name} needs: give it to the user that"
                " netheal runs as, or set another folder"
            ) from error
    told = "Delta tables, models and checkpoint can be written"
    return f"{told}; not tried, as not on this machine: {', '.join(elsewhere)}" if elsewhere else told
