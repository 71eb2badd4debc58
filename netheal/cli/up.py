"""`netheal up`: the whole of netheal on one machine, with traffic and a live view."""

import json
import sys
from typing import TYPE_CHECKING

from rich.console import Console

from netheal.background_task import BackgroundTask, Stopped
from netheal.cli.preflight import preflight
from netheal.cli.stop_requests import StopRequests
from netheal.cli.up_options import UpOptions
from netheal.embedded.stack import LocalStack
from netheal.errors import SettingsError
from netheal.settings import Settings
from netheal.shutdown_budget import SERVICES_S, SUPERVISORS_S

if TYPE_CHECKING:
    from netheal.cli.session import Session

_REPORT_LEAVES_S = SUPERVISORS_S + SERVICES_S
"""What has to be left of the time to end when a report is given up for a request to stop."""

Report = dict[str, object]


def up(settings: Settings, options: UpOptions) -> int:
    """Start everything, feed it, show it, and stop it; the exit status."""
    console = Console(stderr=options.as_json)
    for path in options.files:
        if not path.is_file():
            raise SettingsError(f"there is no file {path}: check its name")
    if settings.notify.has_channel:
        from netheal.notifications.channels import channels_of

        channels_of(settings.notify)
    preflight(settings if options.api else settings.replaced(api_port=0))
    with (
        StopRequests(settings.local.stop_drain_s) as stop,
        LocalStack(settings, lambda text: console.print(text, highlight=False), await_services=False) as stack,
    ):
        stack.start_job()
        if options.api:
            stack.start_api()
        stack.start_notifier()
        # Only now, as what a session needs takes a second to import, in which the children start.
        from netheal.cli.session import Session

        session = Session(stack, options, stop, console)
        try:
            session.run()
            console.print("stopping" if session.drained else "stopping; rows that wait are left", highlight=False)
            report = None
            if options.reports and session.drained:
                stack.stop_job(stop.left_s - SERVICES_S)
                report = _report(stack, session, stop)
        finally:
            stack.stop(stop.left_s)
    if report is not None and not options.as_json:
        console.print_json(json.dumps(report, ensure_ascii=False))
    console.print(_last_words(session), highlight=False)
    if report is not None and options.as_json:  # on the last line, where scripts look for it
        sys.stdout.write(json.dumps(report, ensure_ascii=False) + "\n")
        sys.stdout.flush()
    return 0 if not options.drain or session.drained else 1


def _report(stack: LocalStack, session: "Session", stop: StopRequests) -> Report | None:
    """The report; None where nothing was prepared, or a request to stop leaves no time for it."""
    from netheal.cli.report import drained_report

    run, sent = session.preparation.run, session.feed.sent if session.feed else 0
    if run is None:
        return None
    report = BackgroundTask("report", lambda: drained_report(stack.settings, run, sent))
    try:
        return report.result(lambda: stop.requested and stop.left_s < _REPORT_LEAVES_S)
    except Stopped:
        return None


def _last_words(session: "Session") -> str:
    if session.drained:
        return "stopped: every row that came is in every sink"
    if session.preparation.run is None:
        return "stopped before the start was done: nothing was sent"
    if session.lag:
        return f"stopped: {session.lag:,} rows wait in the input topic; the next start continues with them"
    return "stopped: rows that wait in the input topic are scored after the next start"
