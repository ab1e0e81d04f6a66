"""How connections are served: gunicorn's gevent worker, made so that none of them holds up the others.

Beside `supportchat` and not in it: gunicorn's parent process loads the class of its workers, and would load the app
with it, before a worker has patched the standard library. Nothing in here imports the app.
"""
