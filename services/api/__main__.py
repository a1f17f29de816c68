"""Start the api: settings to gunicorn, which forks the workers; nothing is shared with them but the settings."""

from services.api.server import ApiServer
from services.contract.settings import Settings
from services.process.life import start
from services.process.tokens import load_tokens


def run(settings: Settings) -> None:
    """Serve until asked to stop."""
    ApiServer(settings, load_tokens(settings)).run()


if __name__ == "__main__":
    start("api", run)
