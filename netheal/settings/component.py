"""What all components of the settings are."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class Component(BaseModel):
    """Settings that belong together."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    prefix: ClassVar[str] = ""
