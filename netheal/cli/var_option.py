"""The option --var, which every command has that is about one netheal among several."""

from pathlib import Path
from typing import Annotated

import typer

from netheal.settings import Settings, load_settings

VarDir = Annotated[Path | None, typer.Option("--var", help="Folder of all data, logs and state.")]


def settings_of(var: Path | None = None) -> Settings:
    """The settings, with the folder that was named, if one was."""
    return load_settings() if var is None else load_settings(var_dir=var.absolute())
