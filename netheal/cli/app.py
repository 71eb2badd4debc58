"""The command `netheal`."""

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from netheal.cli.job_command import JOB_OPTIONS, run_job
from netheal.cli.models import models_app
from netheal.cli.tokens import tokens_app
from netheal.cli.var_option import VarDir, settings_of
from netheal.errors import NethealError, SettingsError
from netheal.telemetry import configure_logging

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help=__doc__,
    context_settings={"help_option_names": ["-h", "--help"]},
)
traffic_app = typer.Typer(no_args_is_help=True, help="Send flow records to the input topic.")
topic_app = typer.Typer(no_args_is_help=True, help="The input topic.")
checkpoint_app = typer.Typer(no_args_is_help=True, help="The streaming job's checkpoint.")
app.add_typer(traffic_app, name="traffic")
app.add_typer(models_app, name="models")
app.add_typer(topic_app, name="topic")
app.add_typer(checkpoint_app, name="checkpoint")
app.add_typer(tokens_app, name="tokens")

Rate = Annotated[float | None, typer.Option("--rate", min=0.001, help="Rows a second.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"netheal {version('netheal')}")
        raise typer.Exit


@app.callback()
def netheal_command(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Network threat detection and self-healing on a stream of flow records."""


@app.command("up", context_settings={"allow_extra_args": True})
def up_command(
    context: typer.Context,
    traffic: Annotated[list[str] | None, typer.Option(help="`generated`, or flow files.")] = None,
    rate: Rate = None,
    duration: Annotated[float | None, typer.Option(min=0.1, help="Seconds of traffic, then stop.")] = None,
    drain: Annotated[bool, typer.Option("--drain", help="Stop once every row is in every sink.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON on the last line.")] = False,
    api: Annotated[bool, typer.Option("--api/--no-api", help="Serve the API and the dashboard, too.")] = True,
    var: VarDir = None,
) -> None:
    """Run all of netheal on this machine: broker, Postgres, the streaming job, the API, traffic, a live view."""
    from netheal.cli.up import up
    from netheal.cli.up_options import GENERATED, UpOptions

    sources = (*(traffic or ()), *context.args)
    if GENERATED in sources and len(sources) > 1:
        raise SettingsError("--traffic takes either `generated` or files, not both")
    settings = settings_of(var)
    configure_logging(settings.paths.log_dir / "netheal.log", settings.log.format)
    raise typer.Exit(up(settings, UpOptions(sources, rate, duration, drain, as_json, api)))


@traffic_app.command("send")
def send_command(
    files: Annotated[list[Path], typer.Argument(help="CSV or Parquet files of flows.", exists=True, dir_okay=False)],
    rate: Rate = None,
    profile: Annotated[
        Path | None,
        typer.Option(
            help="Profile of the model that takes them, if not shipped features.", exists=True, dir_okay=False
        ),
    ] = None,
    var: VarDir = None,
) -> None:
    """Send the rows of flow files to the input topic of the netheal that runs, or of the broker that is named."""
    from netheal.bundles.intake.profile import expected_contract, read_profile
    from netheal.embedded.running import named_broker
    from netheal.traffic.send import send_files

    settings = named_broker(settings_of(var))
    report = send_files(
        files,
        settings.kafka.bootstrap_servers,
        settings.stream.input_topic,
        rate,
        settings.kafka.client_options,
        contract=None if profile is None else expected_contract(read_profile(profile.read_bytes())),
    )
    Console().print(f"{report.sent} rows sent in {report.elapsed_s:.1f} s ({report.rate_per_s:.0f} rows/s)")


@topic_app.command("adopt")
def adopt_command(var: VarDir = None) -> None:
    """Accept an input topic that was recreated, or that lost unread rows to retention."""
    from netheal.cli.recovery import adopt

    Console().print(adopt(settings_of(var)), highlight=False, soft_wrap=True)


@checkpoint_app.command("rebuild")
def rebuild_command(
    var: VarDir = None,
    score_again: Annotated[
        bool, typer.Option("--score-again", help="Remove rows from Delta that an older database does not know.")
    ] = False,
) -> None:
    """Rebuild the job's checkpoint from the database: nothing is lost, nothing is read twice."""
    from netheal.cli.recovery import rebuild

    Console().print(rebuild(settings_of(var), score_again), highlight=False, soft_wrap=True)


@app.command("jars")
def jars_command() -> None:
    """Fetch the jars that Spark and the embedded broker need."""
    from netheal.embedded.jars import fetch_jars

    settings = settings_of()
    fetch_jars(settings.paths.tools_dir)
    Console().print(f"the jars are in {settings.paths.tools_dir}")


@app.command("examples")
def examples_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder, new or empty.")] = Path("examples"),
    rows: Annotated[int, typer.Option(min=1, max=100_000, help="Flows of each CSV file.")] = 36,
    contract_ids: Annotated[
        list[str] | None, typer.Option("--contract", help="Only of this contract; may be given more than once.")
    ] = None,
) -> None:
    """Write files to try netheal with: CSVs of each contract, one flow, the JSON Schema of a message."""
    from netheal.contracts import contract, wire_contracts
    from netheal.traffic.examples import example_files, write_examples

    wanted = [contract(name) for name in dict.fromkeys(contract_ids)] if contract_ids else wire_contracts()
    files = example_files(wanted, rows)
    write_examples(folder, files)
    Console().print(
        f"{len(files)} files are in {folder}; its README.md says what each is", markup=False, highlight=False
    )


@app.command("replay", context_settings=JOB_OPTIONS, add_help_option=False)
def replay_command(context: typer.Context) -> None:
    """Score rejected rows again, with today's contracts and models: `netheal replay --help`."""
    run_job("jobs.replay_quarantine", context.args)


@app.command("maintain", context_settings=JOB_OPTIONS, add_help_option=False)
def maintain_command(context: typer.Context) -> None:
    """Compact, delete what is too old, and tidy up, beside a running stream: `netheal maintain --help`."""
    run_job("jobs.maintain", context.args)


@app.command("notify", context_settings=JOB_OPTIONS, add_help_option=False)
def notify_command(context: typer.Context) -> None:
    """Tell people of alerts and outages, by webhook, e-mail and syslog: `netheal notify --help`."""
    run_job("jobs.notify", context.args)


@app.command("rescore", context_settings=JOB_OPTIONS, add_help_option=False)
def rescore_command(context: typer.Context) -> None:
    """Score flow files, or the rows that the stream stored, of any size: tables of verdicts and a report."""
    from netheal.cli.rescore import rescore

    rescore(context.args)


@app.command("status")
def status_command(
    as_json: Annotated[bool, typer.Option("--json", help="The same as JSON.")] = False, var: VarDir = None
) -> None:
    """Show what runs and how far the stream is. Exit status 0 while it is running, else 1."""
    from netheal.cli.status_command import status_command as status

    raise typer.Exit(status(settings_of(var), as_json))


@app.command("verify")
def verify_command(
    event_id: Annotated[int, typer.Argument(metavar="ID", help="The event's id, as lists and messages have it.")],
    as_json: Annotated[bool, typer.Option("--json", help="The whole receipt as JSON.")] = False,
    var: VarDir = None,
) -> None:
    """Score a stored row again, and say why its models answer as they do.

    Exit status 0 where the stored verdict is bit-equal, 1 where it differs, 2 where it cannot be verified.
    """
    from netheal.cli.verify_command import verify_command as verify

    raise typer.Exit(verify(settings_of(var), event_id, as_json))


@app.command("trace")
def trace_command(
    event_id: Annotated[
        int, typer.Argument(metavar="ID", help="The event's id, as lists and messages have it.", min=0)
    ],
    as_json: Annotated[bool, typer.Option("--json", help="The same as JSON.")] = False,
    var: VarDir = None,
) -> None:
    """Show where an event is: its batch, models, verdict and action, or why it was rejected.

    Exit status 0 where it is scored or rejected, 1 where it waits.
    """
    from netheal.cli.trace_command import trace_command as trace

    raise typer.Exit(trace(settings_of(var), event_id, as_json))


@app.command("notebook")
def notebook_command(
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open a browser, too.")] = True,
    var: VarDir = None,
) -> None:
    """Open the notebooks for analysts in JupyterLab, on this machine alone and behind a token."""
    from netheal.cli.notebook import open_notebooks

    open_notebooks(settings_of(var), browser)


@app.command("doctor")
def doctor_command(
    as_json: Annotated[bool, typer.Option("--json", help="The same as JSON.")] = False, var: VarDir = None
) -> None:
    """Look for everything that is wrong, say what to do about it, and change nothing. Exit status 1 for a problem."""
    from netheal.cli.doctor import doctor_command as doctor

    raise typer.Exit(doctor(settings_of(var), as_json))


def main() -> None:
    """Run the command; an error of ours is one sentence and exit status 2."""
    configure_logging()
    try:
        app()
    except NethealError as error:
        Console(stderr=True).print(f"[red]netheal:[/red] {error}", highlight=False, soft_wrap=True)
        sys.exit(2)
