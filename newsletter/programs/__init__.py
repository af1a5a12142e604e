"""Other people's programs: what lets them in, and what they are told by themselves."""
