"""Backups, putting them back, and taking over what they are: a server that went back in time."""
