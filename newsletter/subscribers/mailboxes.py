"""What sort of mailbox an address is: allowed whatever it is, but counted (SEC-19)."""

_ROLES = """
abuse accueil admin administratie administration algemeen bestuur burgemeester communicatie
communication contact gemeente help helpdesk hostmaster hr info informatie internationaal kabinet
mail marketing mondiaal no-reply noreply noordzuid office onthaal personeel pers postmaster press
presse privacy receptie redactie root sales secretariaat secretariat security service
stadhuis stadsbestuur support team verkoop webmaster welkom
"""
_DISPOSABLE = """
10minutemail.com 20minutemail.com 33mail.com byom.de discard.email dispostable.com
emailondeck.com fakeinbox.com getnada.com guerrillamail.com guerrillamail.net jetable.org
mailcatch.com maildrop.cc mailinator.com mailnesia.com mintemail.com moakt.com mohmal.com
mytemp.email sharklasers.com spam4.me spambox.us spamgourmet.com temp-mail.org tempail.com
tempmail.com tempmailo.com throwawaymail.com trash-mail.com trashmail.com trashmail.de
wegwerfemail.de wegwerfmail.de yopmail.com yopmail.fr
"""
# Mailboxes of a function, not of a person (RFC 2142, and what municipalities have).
ROLES = frozenset(_ROLES.split())
# The best known that lend an address for minutes; there are thousands, and they may sign up.
DISPOSABLE = frozenset(_DISPOSABLE.split())


def sorts(canonical: str) -> list[str]:
    """The tallies an address counts for: "role", "disposable", both or none."""
    local, _at, domain = canonical.rpartition("@")
    found = ["role"] if local.partition("+")[0] in ROLES else []
    return [*found, "disposable"] if domain in DISPOSABLE else found
