"""How long a stop takes: a request to stop is answered within 30 s, in whatever state anything is.

What `netheal up` spends, one after the other, from the request on:

    drain      NETHEAL_STOP_DRAIN_S   rows that wait are scored; skipped at a second request
    feed       FEED_S                 traffic on its way is acknowledged
    watch      WATCH_S                a look at the stream comes back
    supervisors SUPERVISORS_S         no child is started any more
    job        JOB_S                  the micro-batch that runs is finished; the API ends beside it
    services   SERVICES_S             the broker and PostgreSQL end, side by side

Job and services that are killed at the end of their time get KILLED_S each to be gone.

The streaming job knows its share as NETHEAL_JOB_STOP_S, and ends within it by itself: it waits for its micro-batch,
then closes the query, and cuts itself short where it is still there. All are in seconds.
"""

PROMISED_S = 30.0
FEED_S = 1.0
WATCH_S = 1.0
SUPERVISORS_S = 2.0
JOB_S = 8.0
SERVICES_S = 6.0
KILLED_S = 1.0
END_S = FEED_S + WATCH_S + SUPERVISORS_S + JOB_S + SERVICES_S
"""All that comes after the drain."""

JOB_ALONE_S = 28.0
"""What a job has that was not started by `netheal up`."""
_CLOSING_S = 2.0
_ENDING_S = 1.0
JOB_LEAST_S = _CLOSING_S + _ENDING_S


def batch_bound_s(job_stop_s: float) -> float:
    """How long a job that has to end within `job_stop_s` waits for its micro-batch."""
    return job_stop_s - _CLOSING_S - _ENDING_S


def cut_bound_s(job_stop_s: float) -> float:
    """When a job that has to end within `job_stop_s` gives up whatever it still waits for."""
    return job_stop_s - _ENDING_S
