"""The HTTP API: hook calls and commands in, reads out. Falcon (ASGI) under gunicorn's own `asgi` worker."""
