"""What tells a report from other mail: patterns, for text in lower case unless it says so."""

import re

from newsletter.bounces.dsn.wording import phrases


def _either(lines: str) -> str:
    return "|".join(filter(None, map(str.strip, lines.split("\n"))))


# Where a report ends and the message that came back begins; on text as it is.
_DRAWN = _either(r"""
    begin|start of|end of message|below (?:this|the next) line|this is a copy|original|returned
    unsent|forwarded|message (?:text|header|body)|copy of|the header|the body|header
    transcript of message|included|attach""")
_PLAIN = _either(r"""
    original message (?:follows|as received)|original message(?: headers| details| header)?:
    (?:(?:the following|the following text|here|included|attached) is|here.s) a copy
    here is your returned mail
    a copy of (?:the|your) (?:original )?message|your message reads|old message
    message headers? follows?|the first \d+ lines of your|(?:a summary of the )?undelivered message
    mensaje original|message d.origine|urspr.{1,3}ngliche nachricht|oorspronkelijk bericht""")
COPY = re.compile(
    rf"^[ \t>]{{0,8}}(?:[-=*|_ ]{{2,80}}\W{{0,3}}(?:{_DRAWN})\b.{{0,80}}|(?:{_PLAIN})\b.{{0,100}}"
    r"|[-=]{5,80}\n(?=(?:received|return-path):)"
    r"|received: (?:from|by|\()|return-path: ?<|delivered-to: |dkim-signature: )",
    re.IGNORECASE | re.MULTILINE,
)

FAILURE = phrases(r"""
    (?:un|non|not|never) ?(?:yet )?(?:be |been )?deliver\w*
    undeliver\w*
    (?:un|nicht ?)zustell\w*
    {cannot} … (?:deliver\w*|sen[dt]|reach\w*|process\w*|complete\w*|route\w*)
    {post} … (?:fail\w*|problem\w*|error\w*|abort\w*|delay\w*|rejected|refused)
    {post} … (?:bounced?|postponed|suspended|returned)
    fail\w* (?:to )?(?:mail|deliver\w*|recipient\w*|address\w*|notice|message|permanently)
    mail (?:system )?error
    returned (?:mail|to sender|message|e-?mail)
    did(?: not|n.t) (?:reach|receive)
    (?:permanent|fatal|transient|delivery|processing|following) (?:\w+ )?(?:error|problem|failure)s?
    (?:errors?|problem) (?:\w+ )?(?:was |has )?(?:detected|occurred|while|during|with the e-?mail)
    encountered … (?:errors?|problem)
    {who} … {gone}
    {gone} … {who}
    no such (?:user|address|recipient|mailbox|host|domain)
    {box} … (?:full|exceeded)
    over ?quota
    (?:has been |was |automatically |is |been )rejected
    (?:delay|delayed|postponed|not yet|still being|warning) {post}
    (?:delayed|postponed|not yet|still being) (?:retried|been|due)
    full {box}
    delivery (?:status )?notification
    invalid final
    undeliverable (?:mail|message|to|address)
    niet (?:worden )?(?:\w+ )?(?:af)?(?:geleverd|bezorgd|verzonden|leveren|bezorgen)
    (?:onbestelbaar|onbestelbare|mislukt\w*)
    n.?a (?:pas )?pu (?:être|etre) (?:remis|d.livr|livr|transm|distribu|envoy|achemin)\w*
    (?:non remis\w*|échec|impossible de (?:remettre|livrer|distribuer))
    pas été (?:remis|distribu|livr)\w*
    (?:konnte\w*|kann|wurde) … nicht …(?:zugestellt|ausgeliefert|übermittelt|gesendet)
    (?:fehlgeschlagen|nicht zugestellt|unzustellbarkeit\w*)
    no (?:se )?(?:ha )?(?:podido|pudo|puede|fue) …(?:entreg\w+|enviad\w+)
    (?:no entregad\w+|devuelto)
    (?:mancat\w+ (?:recapito|consegna)|non …(?:consegn\w+|recapit\w+))
    (?:não (?:pôde|foi|pode) …(?:entreg\w+|enviad\w+)|falha)
    (?:nie (?:został|można|mogła|dostarczono)|niedostarcz\w+)
    (?:не (?:может|удалось|была?|доставлен\w*)|недоставлен\w*)
    (?:kunde inte levereras|kunne ikke leveres)""")

DELAY = phrases(r"""
    (?:not yet|nog niet) … (?:delivered|bezorgd|afgeleverd)
    not been delivered (?:yet|so far)
    has not yet been
    (?:has been|is|was|been|temporarily|notification|warning|{post}) (?:delayed|postponed|deferred)
    delayed (?:mail|\d+|delivery|by|for)
    (?:deliver\w*|status) … delay
    (?:will|being|continue to) (?:be )?(?:retried|retry)
    (?:will|we.?ll) (?:continue|keep|go on) (?:to )?(?:be )?(?:try\w*|attempt\w*|retry\w*)
    (?:deliver\w*|retry|further) attempts will
    we will continue
    attempts? to deliver … will (?:continue|be)
    warning message only
    (?:this is )?(?:just |only )?a warning(?: only)?
    no action is required
    still being retried
    do not need to (?:resend|re-send|take)
    (?:vertraagd|vertraging|wordt opnieuw geprobeerd)
    (?:retardée?|sera retentée?|remise retardée)
    (?:verzögert\w*|verzögerung|erneut versucht)
    (?:retrasad[oa]|se ha retrasado|in ritardo|ritardat\w+)""")

GIVEN_UP = phrases(r"""
    permanent(?:ly)? (?:error|fail\w*|fatal)
    (?:i.?ve|have|has) given up
    not going to try
    returned mail
    no further attempts
    (?:was|has been|been) (?:removed from|aborted|returned)
    gave up
    giving up""")

# Senders that are programs: local part, or name.
MACHINE = re.compile(
    r"mailer[-_. ]?d?aemon|post[-_ ]?master|mail[-_. ]?deliver|delivery[-_. ]?(?:sub)?system|"
    r"double-bounce|"
    r"mail[-_. ]?system|microsoftexchange|system ?administrator|mail ?admin|systeembeheerder|"
    r"systemadministrator|administrateur|deliver(?:y|ies)[-_. ]?(?:status|fail|report)|ndr\b|"
    r"[-_.]daemon|\bbounces?\b|mail_service|antivirus|imss\b|mdaemon",
    re.IGNORECASE,
)
# Senders that report and do nothing else, whatever language they do it in.
DAEMON = re.compile(
    r"mailer[-_. ]?d?aemon|mail[-_. ]?delivery|double-bounce|microsoftexchange", re.I
)
# Addresses in reports that are never those of readers.
OURSELVES = re.compile(
    r"(?:mailer[-_]?daemon|postmaster|abuse|hostmaster|root|double-bounce|no-?reply|help ?desk|"
    r"support|service-?desk|user@domain|.*@\d+(?:\.\d+){3}$|\S{30,}@\S+\.(?:local|prod|internal)$)",
    re.IGNORECASE,
)
