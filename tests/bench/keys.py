"""DKIM keys of the bench's own."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


def made(folder: Path) -> dict[str, dict[str, str]]:
    """The settings of one signature and of two, by a name for the table."""
    private = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    rsa, second = folder / "rsa.pem", folder / "ed25519.pem"
    rsa.write_bytes(generate_private_key(65537, 2048).private_bytes(*private))
    second.write_bytes(Ed25519PrivateKey.generate().private_bytes(*private))
    one = {
        "DKIM_DOMAIN": "nieuws.vvsg.example",
        "DKIM_SELECTOR": "one",
        "DKIM_KEY_FILE": str(rsa),
    }
    both = one | {"DKIM_ED25519_SELECTOR": "two", "DKIM_ED25519_KEY_FILE": str(second)}
    return {"RSA-2048": one, "RSA-2048 and Ed25519": both}
