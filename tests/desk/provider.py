"""A small OpenID Connect provider on a port of this machine: discovery, PKCE, tokens by RS256."""

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey


class Provider:
    """Says of everybody who comes what `claims` says; `forged` makes it sign with another key."""

    def __init__(self, port: int) -> None:
        self.issuer = f"http://127.0.0.1:{port}"
        self.key, self.other = _keys()
        self.claims: dict[str, Any] = {}
        self.forged = False
        self.asked: dict[str, str] = {}  # what the last person came with

    def configuration(self) -> dict[str, Any]:
        """What it says of itself."""
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "response_types_supported": ["code"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def authorize(self, query: dict[str, str]) -> str:
        """Somebody signs in there; the address they are sent back to."""
        self.asked = query
        return f"{query['redirect_uri']}?{urlencode({'code': 'a-code', 'state': query['state']})}"

    def token(self, form: dict[str, str]) -> dict[str, Any] | None:
        """The token of a code; None when who asks is not who came (PKCE)."""
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        proof = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if form.get("code") != "a-code" or proof != self.asked["code_challenge"]:
            return None
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": self.asked["client_id"], "iat": now, "exp": now + 300}
        claims["auth_time"] = now if "max_age" in self.asked else now - 3600
        claims |= {"nonce": self.asked["nonce"]} | self.claims
        key = self.other if self.forged else self.key
        signed = jwt.encode({"alg": "RS256", "kid": "one"}, claims, key)
        return {"access_token": "x", "token_type": "Bearer", "expires_in": 300, "id_token": signed}


@cache
def _keys() -> tuple[RSAKey, RSAKey]:
    """Two keys of the same name, made once: that takes half a second."""
    own, other = (RSAKey.generate_key(2048, {"kid": "one"}) for _ in range(2))
    return own, other


@contextmanager
def running() -> Iterator[Provider]:
    """Serve it, and stop at the end."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.provider = Provider(server.server_address[1])  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.provider  # type: ignore[attr-defined]
    server.shutdown()
    thread.join()
    server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        provider: Provider = self.server.provider  # type: ignore[attr-defined]
        keys = {"keys": [provider.key.as_dict(private=False)]}
        pages = {"/.well-known/openid-configuration": provider.configuration(), "/keys": keys}
        self._answer(200, pages[self.path])

    def do_POST(self) -> None:
        provider: Provider = self.server.provider  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        token = provider.token({name: values[0] for name, values in parse_qs(body).items()})
        self._answer(200 if token else 400, token or {"error": "invalid_grant"})

    def _answer(self, status: int, said: dict[str, Any]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(said).encode())

    def log_message(self, *_words: Any) -> None:
        """Nothing is written anywhere."""


def parts(url: str) -> dict[str, str]:
    """The query of an address."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
