"""`python -m newsletter.cli` is the same as `newsletter`."""

from newsletter.cli import main

main(prog_name="newsletter")
