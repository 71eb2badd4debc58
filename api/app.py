"""The API as a WSGI application: `create_app(settings)`."""

from apiflask import APIFlask

from api.errors import register_errors
from api.resources.batches import batches
from api.resources.models import models
from api.resources.predictions import predictions
from api.security.guard import register_guard
from api.security.headers import register_headers
from api.services import open_services
from netheal.settings import Settings

PREFIX = "/api/v1"


def create_app(settings: Settings) -> APIFlask:
    """An application on the services that the settings name; it opens no connection yet."""
    app = APIFlask("api", title="netheal", version="1", spec_path="/api/v1/openapi.json", docs_path=None)
    app.config["OPENAPI_VERSION"] = "3.1.0"
    app.extensions["netheal"] = open_services(settings)
    register_errors(app)
    register_guard(app, settings)
    register_headers(app, settings)
    for blueprint in (predictions, batches, models):
        app.register_blueprint(blueprint, url_prefix=PREFIX)
    return app
