"""The app of a server process, for gunicorn and for `flask --app wsgi`."""

from supportchat.app import create_app

app = create_app()
