"""Execute notebooks from top to bottom, and write each with its outputs as HTML.

    python notebooks/execute_notebooks.py [--html DIR] [NOTEBOOK…]

Settings are those of netheal: NETHEAL_NOTEBOOK_DATA names the data, NETHEAL_NOTEBOOK_ROWS how many rows are generated.
"""

import argparse
import os
import sys
import time
from pathlib import Path

import jupytext
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter

from netheal.cli.notebook import NOTEBOOKS_DIR, jupyter_environment, require_notebooks
from netheal.settings import load_settings

_CELL_TIMEOUT_S = 600


def main() -> int:
    """Exit status: 0 where every cell of every notebook ran, else 1."""
    settings = load_settings()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebooks", metavar="NOTEBOOK", type=Path, nargs="*", help="default: all of them")
    parser.add_argument("--html", metavar="DIR", type=Path, default=settings.paths.var_dir / "notebooks")
    options = parser.parse_args()
    os.environ.update(jupyter_environment(settings))
    options.html.mkdir(parents=True, exist_ok=True)
    failed = [path for path in options.notebooks or require_notebooks() if not _executed(path, options.html)]
    return 1 if failed else 0


def _executed(path: Path, folder: Path) -> bool:
    """Execute one, and write as HTML what there is of it; whether it ran to its end."""
    notebook, begun_s = jupytext.read(path), time.monotonic()
    place = {"metadata": {"path": str(NOTEBOOKS_DIR)}}
    client = NotebookClient(notebook, timeout=_CELL_TIMEOUT_S, kernel_name="python3", resources=place)
    try:
        client.execute()
    except CellExecutionError as error:
        print(f"{path.name}: {error}", file=sys.stderr)
        return False
    finally:
        exporter = HTMLExporter()  # type: ignore[no-untyped-call]
        page, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": path.stem}})
        written = folder / f"{path.stem}.html"
        written.write_text(page, "utf-8")
    print(f"{path.name}: {time.monotonic() - begun_s:.0f} s, {written}")
    return True


if __name__ == "__main__":
    sys.exit(main())
