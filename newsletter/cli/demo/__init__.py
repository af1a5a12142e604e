"""`newsletter demo`: the whole road once, by itself, over real HTTP and SMTP."""

from newsletter.cli.demo.road import command

__all__ = ["command"]
