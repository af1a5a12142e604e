"""The site alone, for a WSGI server of your own: `gunicorn wsgi:app`.

The clock does not run here, so nothing is mailed: `newsletter serve` or a worker does that.
"""

from newsletter.app import create_app

app = create_app()
