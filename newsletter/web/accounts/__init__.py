"""Signing in to the desk: Flask-Security with our rows, our pages and our limits."""
