"""`/health`: whether it runs, whether it works, and why not. At the root for probes, and under the prefix."""

from typing import Any

from apiflask import APIBlueprint

from api.health import not_ready
from api.observer import Observer
from api.schemas.health import Health, Live, Ready
from api.security import public
from api.security.guard import known_caller


def health_blueprint(name: str, observer: Observer) -> APIBlueprint:
    """The three addresses; reasons are told to those who may know them."""
    blueprint = APIBlueprint(name, __name__, tag="health")

    @blueprint.get("/health")
    @public
    @blueprint.output(Health)
    def health() -> dict[str, Any]:
        """Say how netheal is; always 200 where the API runs."""
        return {"live": True, **_state(observer)}

    @blueprint.get("/health/live")
    @public
    @blueprint.output(Live)
    def live() -> dict[str, Any]:
        """Answer, which is all that is asked."""
        return {"live": True}

    @blueprint.get("/health/ready")
    @public
    @blueprint.output(Ready)
    @blueprint.doc(responses={503: "Not ready"})
    def ready() -> tuple[dict[str, Any], int]:
        """Say whether all that netheal needs is there: 200, or 503."""
        state = _state(observer)
        return state, 200 if state["ready"] else 503

    return blueprint


def _state(observer: Observer) -> dict[str, Any]:
    reasons = not_ready(observer.look())
    state: dict[str, Any] = {"status": "degraded" if reasons else "ok", "ready": not reasons}
    if known_caller() is not None:
        state["reasons"] = reasons
    return state
