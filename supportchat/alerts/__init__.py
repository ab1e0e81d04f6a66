"""Telling agents that somebody writes: on their open pages, and on their devices."""
