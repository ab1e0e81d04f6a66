"""Draw a picture anew, in a program of its own: a decoder is where a hostile file does its harm.

It is run as `python -m redraw` from this folder's parent, so nothing in it imports anything of the desk: starting it
takes a tenth of a second, and it holds no secret.
"""
