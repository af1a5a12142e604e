"""What reports and answers begin with, by language: patterns for text in lower case, unless noted."""

import re

from newsletter.bounces.dsn.wording import phrases

# Where a report ends and the message that came back begins; on text as it is.
COPY = re.compile(
    r"^[ \t>]{0,8}(?:"
    r"[-=*|_ ]{2,80}\W{0,3}(?:(?:begin|start of|end of message|below (?:this|the next) line|this is a copy|"
    r"original|returned|unsent|forwarded|message (?:text|header|body)|copy of|the header|the body|header|"
    r"transcript of message|included|attach)\b.{0,80}|$\n(?=(?:received|return-path):))"
    r"|(?:original message (?:follows|as received)|original message(?: headers| details| header)?:|"
    r"the following (?:is|text is) (?:a copy|the|your)|(?:here is|included is|attached is) (?:a copy|your|the)|"
    r"a copy of (?:the|your) (?:original )?message|your message reads|old message|message headers follow|"
    r"the first \d+ lines of your|message header follows|(?:a summary of the )?undelivered message|"
    r"mensaje original|message d.origine|urspr.{1,3}ngliche nachricht|oorspronkelijk bericht|"
    r"diagnostic information for administrators)\b.{0,100}"
    r"|(?:received: (?:from|by|\()|return-path: ?<|delivered-to: |dkim-signature: ))",
    re.IGNORECASE | re.MULTILINE,
)

FAILURE = phrases(r"""
    (?:un|non|not|never) ?(?:yet )?(?:be |been )?deliver\w*
    undeliver\w*
    (?:un|nicht ?)zustell\w*
    (?:couldn.?t|could not|can.?not|can.?t|unable to|wasn.?t able to|was not able to|not possible to|were unable to) … (?:deliver\w*|sen[dt]|reach\w*|process\w*|complete\w*|route\w*)
    (?:deliver\w*|mail|message|send|e-?mail|transmission) … (?:fail\w*|problem\w*|error\w*|abort\w*|delay\w*|rejected|refused|bounced?|postponed|suspended|returned)
    fail\w* (?:to )?(?:mail|deliver\w*|recipient\w*|address\w*|notice|message|permanently)
    mail (?:system )?error
    returned (?:mail|to sender|message|e-?mail)
    did(?: not|n.t) (?:reach|receive)
    (?:permanent|fatal|transient|delivery|processing|following) (?:\w+ )?(?:errors?|problems?|failures?)
    (?:errors?|problem) (?:\w+ )?(?:was |has )?(?:detected|occurred|while|during|with the e-?mail)
    encountered … (?:errors?|problem)
    {who} … {gone}
    {gone} … {who}
    no such (?:user|address|recipient|mailbox|host|domain)
    {box} … (?:full|exceeded)
    over ?quota
    (?:has been |was |automatically |is |been )rejected
    (?:delay|delayed|postponed|not yet|still being|warning) (?:mail|message|deliver\w*|retried|been|due)
    full {box}
    delivery (?:status )?notification
    invalid final
    undeliverable (?:mail|message|to|address)
    niet (?:worden )?(?:\w+ )?(?:af)?(?:geleverd|bezorgd|verzonden|leveren|bezorgen|verstuurd)
    (?:onbestelbaar|onbestelbare|mislukt\w*)
    n.?a (?:pas )?pu (?:être|etre) (?:remis|d.livr|livr|transm|distribu|envoy|achemin)\w*
    (?:non remis\w*|échec|impossible de (?:remettre|livrer|distribuer)|pas été (?:remis|distribu|livr)\w*)
    (?:konnte\w*|kann|wurde) … nicht …(?:zugestellt|ausgeliefert|übermittelt|gesendet)
    (?:fehlgeschlagen|nicht zugestellt|unzustellbarkeit\w*)
    (?:no (?:se )?(?:ha )?(?:podido|pudo|puede|fue) …(?:entreg\w+|enviad\w+)|no entregad\w+|devuelto)
    (?:mancat\w+ (?:recapito|consegna)|non …(?:consegn\w+|recapit\w+))
    (?:não (?:pôde|foi|pode) …(?:entreg\w+|enviad\w+)|falha)
    (?:nie (?:został|można|mogła|dostarczono)|niedostarcz\w+)
    (?:не (?:может|удалось|была?|доставлен\w*)|недоставлен\w*)
    (?:kunde inte levereras|kunne ikke leveres)""")

DELAY = phrases(r"""
    (?:not yet|nog niet) … (?:delivered|bezorgd|afgeleverd)
    not been delivered (?:yet|so far)
    has not yet been
    (?:has been|is|was|been|message|mail|delivery|temporarily|notification|warning) (?:\d+ )?(?:delayed|postponed|deferred)
    delayed (?:mail|\d+|delivery|by|for)
    (?:deliver\w*|status) … delay
    (?:will|being|continue to) (?:be )?(?:retried|retry)
    (?:will|we.?ll) (?:continue|keep|go on) (?:to )?(?:be )?(?:try\w*|attempt\w*|retry\w*|making)
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
    no further attempts
    (?:was|has been|been) (?:removed from|aborted|returned)
    gave up
    giving up""")

# Senders that are programs: local part, or name.
MACHINE = re.compile(
    r"mailer[-_. ]?d?aemon|post ?master|mail[-_. ]?deliver|delivery[-_. ]?(?:sub)?system|double-bounce|"
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
    r"support|service-?desk|your-?name|user@domain|.*@\d+(?:\.\d+){3}$|\S{30,}@\S+\.(?:local|prod|mx|internal)\b)",
    re.IGNORECASE,
)
