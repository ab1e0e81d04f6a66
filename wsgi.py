"""The app of a server process, for gunicorn and for `flask --app wsgi`."""

from logging.config import dictConfig

from supportchat.app import create_app
from supportchat.server import logs

app = create_app()
dictConfig(logs.settings(app.extensions["config"].log_format))
logs.catch_the_rest()
