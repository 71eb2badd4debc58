"""Commands that are jobs of `jobs/`, which have their options themselves."""

import os
import sys
from collections.abc import Sequence

JOB_OPTIONS = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
"""Everything behind the command's name is the job's."""


def run_job(module: str, arguments: Sequence[str]) -> None:
    """Become the job; does not return."""
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])
