"""Settings: read once at an entry point into a frozen object, by component, and passed down from there."""

from netheal.settings.components import PROJECT_ROOT
from netheal.settings.load import Settings, load_settings

__all__ = ["PROJECT_ROOT", "Settings", "load_settings"]
