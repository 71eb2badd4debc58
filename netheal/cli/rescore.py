"""`netheal rescore`: becomes the job that does it, on this machine."""

from collections.abc import Sequence

from netheal.cli.job_command import run_job
from netheal.rescoring.arguments import parse_arguments

FILES_MODULE = "jobs.rescore_csv"
STORED_MODULE = "jobs.rescore_store"


def rescore(arguments: Sequence[str]) -> None:
    """Become the job, once the arguments are those of one; it ends by itself, and with this terminal."""
    module = STORED_MODULE if parse_arguments(arguments).stored else FILES_MODULE
    run_job(module, arguments)
