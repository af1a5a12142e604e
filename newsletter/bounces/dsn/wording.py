"""What a remote's words say of a mailbox, where its codes do not: phrases, in many languages.

One phrase a line, in lower case, as a regular expression with signs of its own: a space stands for
what may stand between two words, `…` for up to six words (none of them about servers), `{who}` and
the like for the lists below.
"""

import re
from enum import StrEnum


class Meaning(StrEnum):
    """What the words say; MEANINGS has them in the order in which they are looked for."""

    FULL = "full"
    BLOCKED = "blocked"  # we, or what we sent, are not wanted: nothing about the mailbox
    TROUBLE = "trouble"  # on the way there: loops, time, name servers
    DISABLED = "disabled"  # there is a mailbox, and nobody gets in
    NO_MAILBOX = "no mailbox"


LISTS = {
    "who": r"(?:user|username|userid|users|recipients?|mailbox(?:es)?|mail box|account"
    r"|address(?:es)?|addressee|alias|name|local part|inbox|destination|person|customer|member)",
    "is": r"(?:is|are|was|were|has been|have been|does|do|did|had|be|currently|temporarily|now)",
    "box": r"(?:mail ?(?:box|folder|drop|file)|inbox|box|folder|disk|storage|account)",
    "gone": r"(?:unknown|not (?:be )?(?:found|known|exist|recogni[sz]ed|listed|valid|a valid|local"
    r"|defined|registered|present|available)|(?:doesn.?t|didn.?t|don.?t) exist|invalid|unavailable"
    r"|no longer (?:valid|exists?|here|with|works|available|in use)"
    r"|non ?exist(?:e[nd]t|ing)|wrong)",
    "cannot": r"(?:couldn.?t|could not|can.?not|can.?t|unable to"
    r"|(?:wasn.?t|not) able to|not possible to)",
    "post": r"(?:deliver\w*|e-?mail|mail|message|send|transmission)",
    "answer": r"(?:reply|response|answer|antwoord|antwort|réponse automatique)",
    "wire": r"(?:servers?|service|hosts?|system|network|gateway|connection|domain)\b",
    "off": r"(?:disabled|inactive|suspended|deactivated|discontinued|locked|closed|cancell?ed"
    r"|expired|dormant|frozen|terminated|not active|not enabled|blocked)",
}

PHRASES = {
    Meaning.FULL: r"""
        quota(?! report)
        over ?quota
        {box} … (?:is|are|was|over|too) (?:\w+ )?full
        full {box}
        {box} full
        {box} … exceed(?:s|ed)?
        exceed(?:s|ed|ing)? … (?:storage|mailbox|disk|space|allocation)
        would exceed
        (?:insufficient|not enough|out of|no) (?:\w+ )?(?:space|storage|room)
        space not enough
        no space left
        too (?:much mail|many (?:messages|mails) (?:on|in|stored))
        zuviele mails
        reached (?:\w+ ){0,3}(?:limit|quota)
        over (?:its |the )?(?:\w+ )?(?:limit|size)
        (?:postvak|mailbox|postbus) … vol
        bo[iî]te … (?:pleine|saturée)
        (?:espace|quota) … (?:insuffisant|dépassé)
        postfach … (?:voll|überfüllt)
        speicherplatz
        buz[oó]n … llen[oa]
        casella … piena
        caixa … cheia""",
    Meaning.BLOCKED: r"""
        spam\w*
        unsolicited
        (?:rbl|dnsbl|rhsbl|dnswl|uribl|surbl|barracuda|brbl|sbl|xbl|pbl)
        (?:black|block|deny|white|gr[ae]y) ?list\w*
        (?:blocked|banned) (?:using|by|for|due|because|at|from)
        (?<!not\x20)listed (?:at|by|in|on)
        (?:ip|host|sender|domain|server|client|{post})… {is} (?:blocked|listed|banned)
        reputation
        (?:dmarc|spf|dkim|arc|ptr|rdns|reverse dns)
        virus(?:es)?
        (?:infected|phish\w*|malware|suspicious|scam)
        (?:local|security|sender|content|{post}|organi[sz]ation.?s?|due to|of|violates?|by) policy
        relay(?:ing)? (?:access |is |mail )?(?:denied|not|prohibited|disallowed|rejected)
        (?:unable|not allowed|not permitted|refused?) to relay
        (?:don.?t|do not|not an? open|won.?t|no) relay\w*
        rcpthosts
        as a relay
        sender (?:address )?(?:is |was )?(?:rejected|denied|blocked|not|verif\w+|invalid|unknown)
        reject\w* (?:\w+ )?sender
        (?:client host|helo command|connection|server) (?:rejected|refused)
        cannot find your
        not (?:been )?(?:authori[sz]ed|allowed|permitted) (?:to|by|from|as)
        (?:not|n.t|doesn.?t|don.?t) accept(?:ing)? (?:any )?(?:mails?|messages?|e-?mails?) from
        (?:prohibited|banned|forbidden|restricted|objectionable) (?:content|attachment|file|word)
        content (?:rejected|filter\w*|denied|restriction)
        (?:{post}|content|it) … (?:rejected|refused|blocked|denied) (?:by|as|because|due|for)
        administrative(?:ly)? (?:prohib\w+|denied|reject\w+)
        (?:message|mail|size) … (?:too (?:big|large|long)|exceeds)
        exceeds? … (?:maximum|fixed|allowed|limit)
        maximum … size
        access (?:is )?denied(?!\W{1,3}as\b)
        too many (?:connections|recipients|errors)
        (?:invalid|bad|malformed|missing) (?:header|helo|sender|subject|message|mime)\w*
        no resent
        restricted (?:sender|group|to)
        only accepts?
        challenge""",
    Meaning.TROUBLE: r"""
        temporar(?:y|ily)
        transient
        try again later
        not found,? try again
        too many (?:hops|received)
        (?:message|mail|routing|forwarding|aliasing)? ?loop(?:ing|s)?
        (?:connection|session|operation) (?:\w+ )?(?:refused|timed out|lost|reset|dropped)""",
    Meaning.DISABLED: r"""
        {who} … {off}
        {off} (?:\w+ )?{who}
        not been collected
        no longer (?:active|accept\w*)
        (?:abandoned|hibernat\w+|over 30 days)""",
    Meaning.NO_MAILBOX: r"""
        {who} … {gone}
        {gone} … {who}
        no (?:such|valid|known|matching|active) (?:\w+ ){0,3}?(?:{who}|host|domain|here|one)
        no {who} (?:here|found|by|with|that|named|in|available)
        (?:isn.?t|is not|aren.?t) (?:a|an|our|one of) …(?:{who}|customer|user)
        there (?:is|was) no (?:\w+ ){0,2}(?:{who}|one|person)
        (?:doesn.?t|does not|don.?t|do not|didn.?t) have … {who}
        user_?unknown
        unrout(?:e)?able
        mail ?box unavailable
        recip\w*notfound
        (?:does|do|did|will) not exist
        doesn.?t exist
        recipient address rejected \[rcpt_to
        recipient address rejected access denied as
        recipient address rejected undeliverable
        badrcptto
        bad (?:destination|address|recipient|mailbox)
        bad_(?:destination|address|recipient|mailbox)
        not (?:exactly )?(?:match|listed in|a recogni[sz]ed|our customer)
        no match\w*
        (?:illegal|incorrect|nonexistent|ambiguous|undefined|unrecogni[sz]ed) (?:\w+ ){0,2}{who}
        (?:host|domain)(?: name)? (?:{is} )?(?:unknown|not found|not exist|does not exist|invalid)
        (?:unknown|no such|nonexistent|invalid|cannot find) (?:host|domain|mail domain)
        (?:couldn.?t|can.?t|could not|cannot) (?:find|locate|resolve) any host
        (?:couldn.?t|can.?t|could not|cannot) be (?:found|resolved)
        (?:null ?mx|nxdomain|dns error)
        wrong or no longer
        not have a final
        (?:n.existe pas|inconnue?|introuvable|erroné\w*)
        onbekende? (?:gebruiker|ontvanger|adres|geadresseerde)
        (?:{who}|gebruiker|ontvanger|adres) onbekend
        (?:bestaat|bestaan) niet
        niet (?:gevonden|bestaand\w*)
        (?:unbekannt\w*|existiert nicht|nicht (?:gefunden|bekannt|vorhanden))
        (?:no existe|desconocid[oa]|inexistente)
        (?:sconosciut[oa]|non esiste|não existe)
        (?:nie ma takiego|nie istnieje|nieznany)
        не (?:существует|найден)""",
}


def phrases(lines: str, unspaced: str = "(?!)") -> re.Pattern[str]:
    """One pattern of many phrases, written as the module says, for text in lower case.

    `unspaced`: a pattern for languages that write no spaces between words.
    """
    text = "|".join(filter(None, map(str.strip, lines.split("\n"))))
    for name, words in LISTS.items():
        text = text.replace(f"{{{name}}}", words)
    text = text.replace(" … ", "…").replace("… ", "…").replace(" …", "…")
    # Between words stands white space alone, so that each text fits in one way only, and fast.
    gap = rf"\W{{1,4}}(?:(?!{LISTS['wire']})\S{{1,60}}\s{{1,4}}){{0,6}}?[\"'(<\[]?"
    text = text.replace("…", gap).replace(" ?", "\0")
    text = text.replace(" ", r"[\s\"'<>:,;.(*-]{1,4}").replace("\0", " ?")
    return re.compile(rf"\b(?:{text})|{unspaced}")  # four times as fast as with IGNORECASE


UNSPACED = {
    Meaning.FULL: "容量|空間不足|空间不足|已满|已滿|いっぱい",
    Meaning.BLOCKED: "垃圾|迷惑メール",
    Meaning.NO_MAILBOX: "ありません|存在しません|見つかりません|不明|不存在|没有找到",
}
MEANINGS = {
    meaning: phrases(lines, UNSPACED.get(meaning, "(?!)")) for meaning, lines in PHRASES.items()
}
# Names of hosts and people say nothing, whatever they are called.
NAMES = re.compile(
    r"\S*@[^\s>]*|https?://\S+|(?:[\w-]+\.){2,10}[\w-]+|\b(?:host|by|from|at|via) [\w-]+\.[\w-]+"
)


def meaning_of(words: str) -> Meaning | None:
    """What the words of a remote say; None: nothing that is known."""
    words = NAMES.sub(" ", words.lower())
    return next((meaning for meaning, found in MEANINGS.items() if found.search(words)), None)
