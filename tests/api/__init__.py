"""The API, the tokens that open it, and the endpoints that are told."""
