"""The HTTP API: hook calls in, reads out. Falcon (ASGI) under gunicorn's own `asgi` worker."""
