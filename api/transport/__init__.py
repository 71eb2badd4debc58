"""HTTP below the application: gunicorn's threaded worker, on which a slow or silent client holds nobody up."""
