"""All settings: read flat from arguments, the environment and a TOML file, and put together by component."""

import os
from collections.abc import Mapping
from pathlib import Path
from tomllib import TOMLDecodeError
from typing import Any

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError, create_model
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings import (
    SettingsError as SourceError,
)

from netheal.errors import SettingsError
from netheal.settings.component import Component
from netheal.settings.components import (
    PROJECT_ROOT,
    ApiSettings,
    ClientSettings,
    DriftSettings,
    LocalSettings,
    LogSettings,
    ModelSettings,
    NotebookSettings,
    NotifySettings,
    PathSettings,
    PostgresSettings,
    RetentionSettings,
    StreamSettings,
)
from netheal.settings.kafka import KafkaSettings
from netheal.settings.secret_files import SUFFIX, read_secret_files

_CONF_VARIABLE = "NETHEAL_CONF"
_DATA_VARIABLE = "NETHEAL_SHARED_DATA"
"""Where tests and training look for public data; no setting of a running netheal."""


class Settings(BaseModel):
    """Everything a process of netheal can be told."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    paths: PathSettings
    kafka: KafkaSettings
    postgres: PostgresSettings
    stream: StreamSettings
    retention: RetentionSettings
    drift: DriftSettings
    local: LocalSettings
    log: LogSettings
    models: ModelSettings
    api: ApiSettings
    client: ClientSettings
    notify: NotifySettings
    notebooks: NotebookSettings

    @classmethod
    def of_flat(cls, values: Mapping[str, Any]) -> "Settings":
        """Checked values, by their outside names, put together."""
        parts: dict[str, Any] = {
            name: kind.model_construct(**{field: values[kind.prefix + field] for field in kind.model_fields})
            for name, kind in components().items()
        }
        return cls.model_construct(**parts)

    def flat(self) -> dict[str, Any]:
        """Every value by its outside name."""
        return {
            kind.prefix + field: getattr(getattr(self, name), field)
            for name, kind in components().items()
            for field in kind.model_fields
        }

    def replaced(self, **changes: Any) -> "Settings":
        """The same, but for these, by their outside names: `replaced(api_port=0)`. They are not checked."""
        values = self.flat()
        unknown = sorted(changes.keys() - values.keys())
        if unknown:
            raise TypeError(f"unknown setting {', '.join(unknown)}")
        return self.of_flat(values | changes)


def components() -> dict[str, type[Component]]:
    """The components by their names in `Settings`."""
    return {name: _kind(info) for name, info in Settings.model_fields.items()}


def outside_fields() -> dict[str, FieldInfo]:
    """Every setting by its outside name."""
    return {kind.prefix + name: info for kind in components().values() for name, info in kind.model_fields.items()}


def variable(outside_name: str) -> str:
    """The environment variable of a setting."""
    return f"NETHEAL_{outside_name.upper()}"


def secret_variables() -> dict[str, str]:
    """The environment variable of each secret -> its outside name; each may be read of a file, see `secret_files`."""
    return {variable(name): name for name, info in outside_fields().items() if info.annotation is SecretStr}


def without_secret_files(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a child that is given the secrets themselves."""
    files = {name + SUFFIX for name in secret_variables()}
    return {name: value for name, value in environment.items() if name not in files}


def load_settings(conf: Path | None = None, **overrides: Any) -> Settings:
    """The settings of this process; raises SettingsError with one sentence for each wrong one.

    `overrides` by their outside names. They win over the environment (secrets may stand in files that it names), and
    that over the file `conf`, which is the one that `NETHEAL_CONF` names, else `conf/netheal.toml`.
    """
    path = conf or Path(os.environ.get(_CONF_VARIABLE, PROJECT_ROOT / "conf" / "netheal.toml"))
    if _CONF_VARIABLE in os.environ and not path.is_file():
        raise SettingsError(f"{_CONF_VARIABLE} names {path}, which is no file: correct the path or unset it")
    secrets = secret_variables()
    known = {variable(name) for name in outside_fields()} | {_CONF_VARIABLE, _DATA_VARIABLE}
    known |= {name + SUFFIX for name in secrets}
    unknown = sorted(name for name in os.environ if name.startswith("NETHEAL_") and name not in known)
    if unknown:
        raise SettingsError(f"unknown setting {', '.join(unknown)}: correct its name or unset it")
    of_files = {secrets[name]: secret for name, secret in read_secret_files(secrets).items()}
    try:
        resolved = _flat_settings(path)(**of_files | overrides)
    except ValidationError as error:
        lines = [f"{variable('_'.join(map(str, e['loc'])))}: {e['msg']}" for e in error.errors()]
        raise SettingsError("invalid settings: " + "; ".join(lines)) from error
    except (SourceError, TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"invalid settings: {' '.join(str(error).split())} (file {path})") from error
    settings = Settings.of_flat(dict(resolved))
    settings.kafka.require_consistent(settings.stream.spark_kafka_options)
    return settings


def _kind(info: FieldInfo) -> type[Component]:
    assert isinstance(info.annotation, type) and issubclass(info.annotation, Component)
    return info.annotation


def _flat_settings(conf: Path) -> type[BaseSettings]:
    """All fields in one model, as the outside has them."""

    class Sources(BaseSettings):
        model_config = SettingsConfigDict(env_prefix="NETHEAL_", frozen=True, extra="forbid", toml_file=conf)

        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            """Arguments, then the environment, then the TOML file."""
            return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    fields: dict[str, Any] = {name: (info.annotation, info) for name, info in outside_fields().items()}
    return create_model("FlatSettings", __base__=Sources, **fields)
