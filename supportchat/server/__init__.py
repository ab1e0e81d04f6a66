"""The server that is started: gunicorn with a worker of our own, and the embedded Postgres beside it.

gunicorn's parent process loads the worker's class before the standard library is patched, so `worker.py` and what it
imports load nothing of the app.
"""
