"""The API as a WSGI application: `create_app(settings)`."""

from apiflask import APIFlask

from api.dashboard import dashboard
from api.docs import docs
from api.errors import register_errors
from api.live.metrics import LiveMetrics
from api.live.service import register_live
from api.live.socket import register_socket
from api.metrics import metrics_blueprint
from api.observer import register_observer
from api.openapi import register_openapi
from api.query_parameters import register_query_check
from api.resources.alerts import alerts
from api.resources.batches import batches
from api.resources.contracts import contracts
from api.resources.drift import drift
from api.resources.health import health_blueprint
from api.resources.models import models
from api.resources.outages import outages
from api.resources.policies import policies
from api.resources.predictions import predictions
from api.resources.quarantine import quarantine
from api.resources.tickets import tickets
from api.resources.tokens import tokens
from api.resources.traffic import traffic
from api.resources.uploads import uploads
from api.schemas.errors import Error
from api.security.guard import register_guard
from api.security.headers import register_headers
from api.services import open_services
from netheal.settings import Settings

PREFIX = "/api/v1"


def create_app(settings: Settings) -> APIFlask:
    """An application on the services that the settings name; it opens no connection yet."""
    app = APIFlask("api", title="netheal", version="1", spec_path="/api/v1/openapi.json", docs_path=None)
    app.config["HTTP_ERROR_SCHEMA"] = app.config["VALIDATION_ERROR_SCHEMA"] = Error
    app.extensions["netheal"] = services = open_services(settings)
    register_openapi(app)
    register_errors(app)
    register_guard(app, settings)
    register_query_check(app)
    register_headers(app, settings)
    resources = (
        predictions,
        batches,
        quarantine,
        alerts,
        outages,
        drift,
        policies,
        contracts,
        models,
        uploads,
        tokens,
        traffic,
    )
    for blueprint in resources:
        app.register_blueprint(blueprint, url_prefix=PREFIX)
    live = register_live(app, settings, services.pool)
    app.register_blueprint(tickets, url_prefix=PREFIX)
    register_socket(app)
    observer = register_observer(app, settings)
    app.register_blueprint(health_blueprint("health", observer), url_prefix=PREFIX)
    for at_root in (
        health_blueprint("probes", observer),
        metrics_blueprint(app, observer, LiveMetrics(live.hub)),
        docs,
        dashboard,
    ):
        app.register_blueprint(at_root)
    return app
