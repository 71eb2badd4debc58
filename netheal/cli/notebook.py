"""`netheal notebook`: JupyterLab over the folder `notebooks/`, on loopback, with a token, and with all state in var."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

from netheal.errors import SettingsError
from netheal.settings import PROJECT_ROOT, Settings

NOTEBOOKS_DIR = PROJECT_ROOT / "notebooks"
_PACKAGES = ("jupyterlab", "jupytext", "duckdb", "matplotlib")
"""Those of the extra `notebooks` without which nothing goes."""


def open_notebooks(settings: Settings, browser: bool) -> NoReturn:
    """Become JupyterLab; raises SettingsError where its packages or the notebooks are not there."""
    notebooks = require_notebooks()
    environment = jupyter_environment(settings)
    sync = [sys.executable, "-m", "jupytext", "--quiet", "--sync", *map(str, notebooks)]
    if subprocess.run(sync, env=environment, check=False).returncode:
        raise SettingsError(f"jupytext cannot pair the notebooks in {NOTEBOOKS_DIR}: see what it says above")
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, "-m", "jupyterlab", *jupyter_options(browser)], environment)


def require_notebooks() -> list[Path]:
    """The notebooks, in order; raises SettingsError where they, or the packages that open them, are not there."""
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise SettingsError(
            f"the notebooks need {', '.join(missing)}, which this environment lacks: run `make dev` in {PROJECT_ROOT}"
        )
    notebooks = sorted(NOTEBOOKS_DIR.glob("[0-9]*.py"))
    if not notebooks:
        raise SettingsError(f"there are no notebooks in {NOTEBOOKS_DIR}: they are in netheal's repository")
    return notebooks


def jupyter_environment(settings: Settings) -> dict[str, str]:
    """The environment of Jupyter and its kernels: nothing is written outside var, whose folders for it are
    made; paths hold in any folder."""
    cache = settings.paths.var_dir.resolve() / "cache"
    own = {
        "NETHEAL_VAR_DIR": settings.paths.var_dir.resolve(),
        "JUPYTER_CONFIG_DIR": cache / "jupyter" / "config",
        "JUPYTER_DATA_DIR": cache / "jupyter" / "data",
        "JUPYTER_RUNTIME_DIR": cache / "jupyter" / "runtime",
        "IPYTHONDIR": cache / "ipython",
        "MPLCONFIGDIR": cache / "matplotlib",
    }
    for folder in ("jupyter/runtime", "ipython", "matplotlib"):
        (cache / folder).mkdir(parents=True, exist_ok=True)
    data = settings.notebooks.data
    if data and "://" not in data:
        own["NETHEAL_NOTEBOOK_DATA"] = Path(data).resolve()
    return {**os.environ, **{name: str(path) for name, path in own.items()}}


def jupyter_options(browser: bool) -> list[str]:
    """Loopback, Jupyter's own token, and no request to anybody for news, updates or extensions."""
    options = [
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.root_dir={NOTEBOOKS_DIR}",
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.extension_manager=readonly",
    ]
    if not browser:
        options.append("--no-browser")
    if os.geteuid() == 0:
        options.append("--allow-root")  # netheal runs as root, too, in containers
    return options
