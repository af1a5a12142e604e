"""Lines about the settings: what is allowed, and still unwise. `settings.load` refuses the rest."""

import re
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import config
from newsletter.delivery.return_path import ReturnPath
from newsletter.doctor.lines import Line, fail, found, ok, warn
from newsletter.settings import Settings

FREEMAIL = {
    *("gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "live.com", "yahoo.com"),
    *("icloud.com", "me.com", "gmx.net", "gmx.de", "aol.com", "telenet.be", "skynet.be"),
    *("proximus.be", "hotmail.be", "live.be", "outlook.be", "proton.me", "protonmail.com"),
}
NOT_REAL = re.compile(r"(^|\.)(example|test|invalid|localhost)$|(^|\.)example\.(com|net|org)$")
NO_REPLY = re.compile(r"(?i)(do-?)?no-?t?-?reply|geen-?antwoord|ne-?pas-?repondre")
LETTERS = 12  # different ones that a random key of 32 characters or more surely has


def lines(settings: Settings, env_file: Path = config.PROJECT_DIR / ".env") -> list[Line]:
    """All that could be better. Raises FixSettings for a return path that leaves no room."""
    ReturnPath(settings)
    kind = "production" if settings.production else "development"
    sound = ok("settings", f"Complete, for {kind}: {settings.base_url}")
    faults = [*_files(settings, env_file)]
    if settings.uses_catcher:
        return found(faults, sound)
    if not settings.production:
        said = "Mail goes to a real relay, and the settings are those of development."
        mend = "Set NEWSLETTER_ENV=production, which refuses to start with half of them."
        faults.append(warn("settings", said, mend))
    faults += [*_identity(settings), *_mailboxes(settings), *_doors(settings)]
    return found(faults, sound)


def _files(settings: Settings, env_file: Path) -> Iterator[Line]:
    """Who else on this machine can read what only we may know?"""
    keys = (settings.dkim_key_file, settings.dkim_ed25519_key_file)
    for file in (env_file, settings.instance_dir, *keys):
        if (
            file is not None
            and file.exists()
            and file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
        ):
            wanted = "700" if file.is_dir() else "600"
            said = f"Other users of this machine may read {file}."
            yield warn("settings", said, f"chmod {wanted} {file}")


def _identity(settings: Settings) -> Iterator[Line]:
    names = {
        "BASE_URL": urlsplit(settings.base_url).hostname or "",
        "MAIL_DEFAULT_SENDER": settings.mail_domain,
        "RETURN_PATH": settings.return_path.rpartition("@")[2],
        "REPLY_TO": settings.reply_to.rpartition("@")[2],
        "LIST_ID": settings.list_id,
    }
    for name, domain in names.items():
        if NOT_REAL.search(domain.lower()):
            said = f"{name} has a name that is only for examples and tests: {domain}."
            yield fail("settings", said, f"Set {name} to a domain of your own.")
    for name in ("MAIL_DEFAULT_SENDER", "RETURN_PATH"):
        if names[name].lower() in FREEMAIL:
            said = f"{name} is a mailbox of {names[name]}, which lets nobody else send for it."
            yield fail("settings", said, f"Set {name} to an address of your own domain.")
    if (letters := len(set(settings.secret_key))) < LETTERS:
        said = f"The first of SECRET_KEYS has {letters} different characters: a guess away."
        mend = "Put one of `openssl rand -base64 48` before it, and move this one to LEAKED_KEYS."
        yield fail("settings", said, mend)


def _mailboxes(settings: Settings) -> Iterator[Line]:
    """Bounces, replies and proofs have somewhere to go (AUT-09)."""
    replies = settings.reply_to or settings.mail_default_sender.addr_spec
    if NO_REPLY.search(replies.partition("@")[0]):
        said = f"Who replies writes to {replies}."
        yield warn("settings", said, "Set REPLY_TO to a mailbox that somebody reads.")
    if not settings.return_path:
        said = "RETURN_PATH is empty, so bounces come to the sender, and do not say of whom."
        yield warn("settings", said, "Set it to a mailbox of the sender's domain that takes “+…”.")
    if not settings.editors:
        said = "EDITORS is empty, so nobody gets the proof of an issue, nor a warning."
        yield warn("settings", said, "Set it to the addresses of the editors.")


def _doors(settings: Settings) -> Iterator[Line]:
    if settings.base_url.startswith("https:") and not settings.trusted_proxies:
        said = "TRUSTED_PROXIES is 0, so all visitors seem to come from the proxy that has https."
        yield warn("settings", said, "Set it to the number of proxies in front (usually 1).")
    if settings.desk_second_factor == "optional":
        said = "DESK_SECOND_FACTOR is optional: a password alone opens the desk."
        yield warn("settings", said, "Set it to required.")
