"""The server: gunicorn with our own worker, and the embedded Postgres.

gunicorn's parent process loads the worker class before the standard library is patched, so `worker.py` and its imports
must not load the app.
"""
