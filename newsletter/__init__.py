"""The Fiabel newsletter; ARCHITECTURE.md says what stands where."""

import gc

# A start makes half a million objects that stay. Looking through them after each 700 new ones, as
# Python does by itself, takes a third of the start of every command.
gc.set_threshold(20_000, 20, 20)
