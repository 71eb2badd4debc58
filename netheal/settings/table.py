"""The page that lists every setting, made from the code: `python -m netheal.settings.table > docs/settings.md`."""

import json
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from netheal.settings.components import PROJECT_ROOT
from netheal.settings.load import components, secret_variables, variable

_HEAD = """# Settings

<!-- Made by `python -m netheal.settings.table > docs/settings.md`: change the code, not this page. -->

Each setting is an environment variable, or a key of `conf/netheal.toml` (or of the file that `NETHEAL_CONF` names): the
variable's name in lower case and without `NETHEAL_`. The environment wins. Lists and objects are JSON in the
environment. An invalid setting aborts start-up with a one-line error that names it.

A secret can also stand in a file, as container engines mount them, which its variable with `_FILE` behind it names:
`NETHEAL_POSTGRES_DSN_FILE=/run/secrets/postgres_dsn`. This holds for SECRETS.
"""


def page() -> str:
    """Every setting with its default and its meaning, a table a component, as Markdown."""
    secrets = ", ".join(f"`{name}`" for name in secret_variables())
    parts = [_HEAD.replace("SECRETS", secrets)]
    for name, kind in components().items():
        rows = [
            f"| `{variable(kind.prefix + field)}` | {_shown(info.get_default(call_default_factory=True))} |"
            f" {info.description} |"
            for field, info in kind.model_fields.items()
        ]
        heading = f"## {name}\n\n{kind.__doc__}\n\n| variable | default | meaning |\n|---|---|---|"
        parts.append("\n".join([heading, *rows]) + "\n")
    return "\n".join(parts)


def _shown(default: Any) -> str:
    """A default as somebody would write it."""
    if isinstance(default, SecretStr):
        default = default.get_secret_value()
    if isinstance(default, Path):
        default = str(default.relative_to(PROJECT_ROOT))
    text = default if isinstance(default, str) else json.dumps(default)
    return f"`{text}`" if text else "empty"


if __name__ == "__main__":
    print(page(), end="")
