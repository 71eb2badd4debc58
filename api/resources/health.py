"""`/health`: whether it runs, whether it works, and why not. At the root for probes, and under the prefix."""

from typing import Any

from apiflask import APIBlueprint
from flask import request

from api.health import notes, problems, status
from api.observer import Observed, Observer
from api.probe import Unavailable
from api.schemas.health import Health, Live, Ready
from api.schemas.outages import outage_document
from api.security import public, rate_limit_exempt
from api.security.guard import known_caller
from netheal.store.progress import Progress

_SHOWN_OUTAGES = 20


def health_blueprint(name: str, observer: Observer) -> APIBlueprint:
    """The three addresses; reasons are told to those who may know them."""
    blueprint = APIBlueprint(name, __name__, tag="health")

    @blueprint.get("/health")
    @public
    @rate_limit_exempt
    @blueprint.output(Health)
    def health() -> dict[str, Any]:
        """Say how netheal is; always 200 where the API runs."""
        return {"live": True, **_state(observer)}

    @blueprint.get("/health/live")
    @public
    @rate_limit_exempt
    @blueprint.output(Live)
    def live() -> dict[str, Any]:
        """Answer, which is all that is asked."""
        return {"live": True}

    @blueprint.get("/health/ready")
    @public
    @rate_limit_exempt
    @blueprint.output(Ready)
    @blueprint.doc(responses={503: "Not ready"})
    def ready() -> tuple[dict[str, Any], int]:
        """Say whether all that netheal needs is there: 200, or 503."""
        state = _state(observer)
        return state, 200 if state["ready"] else 503

    return blueprint


def _state(observer: Observer) -> dict[str, Any]:
    observed = observer.look()
    found = problems(observed)
    state: dict[str, Any] = {"status": status(found), "ready": not found}
    if _may_know(observed):
        state["reasons"] = [problem.reason for problem in found]
        state["notes"] = notes(observed)
        lately = observed.progress.outages if isinstance(observed.progress, Progress) else ()
        state["recent_outages"] = [outage_document(outage) for outage in lately[:_SHOWN_OUTAGES]]
    return state


def _may_know(observed: Observed) -> bool:
    """Whether the caller is told reasons: without Postgres nobody can say what a token opens, nor is it waited for."""
    if "Authorization" in request.headers and isinstance(observed.progress, Unavailable):
        return False
    return known_caller() is not None
