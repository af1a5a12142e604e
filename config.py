"""Every setting of the newsletter, with its default, its unit and what it is for.

Nobody edits this file to configure a server: each name below can be set in the environment, or in a
file `.env` beside this one (the environment wins). `newsletter/settings` turns the values into
typed, frozen settings and refuses to start on nonsense. Relative folders count from the
current one.
"""

from pathlib import Path

PROJECT_DIR = Path(__file__).resolve().parent

# --- where it runs -------------------------------------------------------------------------------
# development | production. Production refuses to start without SECRET_KEYS, an https BASE_URL,
# MAIL_SERVER, MAIL_DEFAULT_SENDER, LIST_ID and every ORG_… setting.
NEWSLETTER_ENV = "development"
# The keys of all links and suppressions, separated by commas, at least 32 characters each. The
# first signs; the others are those of before: links to leave and suppressions made with them hold
# for ever, other links as long as they would have (SECURITY.md has the steps). In development one
# is made and kept in INSTANCE_DIR. Losing one breaks every link that was mailed under it.
SECRET_KEYS = ""
# The same, for who never had but one. When both are set, it must be the first of SECRET_KEYS.
SECRET_KEY = ""
# Keys of before that somebody else may know, separated by commas, and in SECRET_KEYS no more. Links
# to leave and suppressions made with them hold on, as do the log and the editors' codes; nothing
# else does.
LEAKED_KEYS = ""
# The public address of the site, without a path. Every link in every mail starts with it.
BASE_URL = "http://localhost:5000"
# SQLAlchemy address of the database. Empty: SQLite, in INSTANCE_DIR/newsletter.db.
DATABASE_URL = ""
# Folder of items, pages and topics.toml, on the host that keeps it.
CONTENT_DIR = str(PROJECT_DIR / "content")
# Does this host keep that folder: are items edited and issues compiled here (yes | no)? Of many
# hosts, one does; what the others show and send reaches them through the database, and they keep
# their copy of topics and pages in INSTANCE_DIR/content.
CONTENT_HOST = True
# Who does what is done by time, mailing first of all: embedded (`newsletter serve` itself; of all
# hosts that share a database, one) or workers (`newsletter worker`, on any number of hosts, with
# PostgreSQL; docs/WORKERS.md).
CLOCK = "embedded"
# Folder of everything this server writes: database, locks, caught mail.
INSTANCE_DIR = str(PROJECT_DIR / "instance")
# Folder of what no backup may put back: the fence, by which a copy of this server or a restored
# backup is known, and the journal of who left (docs/RECOVERY.md). Best on another disk; empty:
# INSTANCE_DIR/outside.
OUTSIDE_DIR = ""
# What names this machine, where /etc/machine-id is missing or shared, as in containers: any text
# that another machine has not. Empty: /etc/machine-id.
MACHINE_ID = ""
# IANA zone that decides when a cadence is due and which dates readers see.
TIMEZONE = "Europe/Brussels"
# How many proxies in front of the site set X-Forwarded-For and -Proto (a number; 0: none).
TRUSTED_PROXIES = 0
# Server processes of `newsletter serve` (a number): on PostgreSQL one for each core, on SQLite one
# is enough. One of them sends the mail.
WEB_PROCESSES = 1

# --- seeing what it does (docs/MONITORING.md) -----------------------------------------------------
# Which lines of the program's own log are written: debug | info | warning | error. Empty: the
# server and workers write info; commands only warnings, as plain text.
LOG_LEVEL = ""
# How: console (for people) | json (one object a line, for collectors).
LOG_FORMAT = "console"
# Who may read /metrics on the site: whoever sends this word of 32 characters or more, as
# "Authorization: Bearer …". Empty: nobody, the page is not there.
METRICS_TOKEN = ""
# A TCP port on 127.0.0.1 where the server and workers show /metrics, /readyz and /healthz without a
# word, for a collector on the same machine; 0: none.
METRICS_PORT = 0

# --- mail: the relay (Flask-Mail's names) ---------------------------------------------------------
# Host name of the SMTP relay. Empty, in development only: the local mail catcher.
MAIL_SERVER = ""
# TCP port of the relay.
MAIL_PORT = 25
# STARTTLS is required (yes | no). The certificate is always verified.
MAIL_USE_TLS = False
# TLS from the first byte (yes | no).
MAIL_USE_SSL = False
MAIL_USERNAME = ""
MAIL_PASSWORD = ""
# Passwords and readers' addresses leave this machine unencrypted only when this says yes.
MAIL_ALLOW_PLAINTEXT = False
# From: of every mail, as `Name <address>`.
MAIL_DEFAULT_SENDER = "Fiabel <fiabel@nieuws.vvsg.example>"
# How long the relay may be silent, in seconds. With 300 the time limits are those of RFC 5321,
# 4.5.3.2: five minutes for most answers, two for DATA, three for a block, ten after the last dot.
MAIL_TIMEOUT = 300
# Does the relay carry addresses with letters such as é before the @ (RFC 6531; yes | no)?
MAIL_SMTPUTF8 = False
# IP addresses that mail leaves from, to readers' own servers, separated by commas. Only `newsletter
# doctor` uses them; empty: it looks at those of MAIL_SERVER, and says that it is a guess.
MAIL_OUTGOING = ""
# Where bounces come back, an address whose local part may be extended with "+…" (VERP), such as
# bounce@nieuws.vvsg.example. Empty: to the sender.
RETURN_PATH = ""
# Where readers' replies go; empty: to the sender. What people write to RETURN_PATH is passed on.
REPLY_TO = ""
# How many of these are passed on, as 60/hour (second, minute, hour or day); the rest waits, and
# none is lost. Empty: at once.
FORWARD_RATE = "60/hour"

# --- mail: what comes back (docs/BOUNCES.md says how to choose) -----------------------------------
# A mailbox that the clock reads: imaps://user@host/INBOX (@ in the user is written %40), imap://
# with STARTTLS, or maildir:/whole/path. Empty: none.
BOUNCE_MAILBOX = ""
# The password of that user.
BOUNCE_MAILBOX_PASSWORD = ""
# Into which folder of the mailbox goes what was taken in; it is made when it is not there. Empty:
# it is deleted.
BOUNCE_MAILBOX_DONE = "Done"
# How often the mailbox is looked at, in seconds.
BOUNCE_POLL_SECONDS = 60
# Where `newsletter serve` takes mail in by LMTP: 127.0.0.1:2424, or the path of a socket file.
# There is no password: whoever reaches it may write. Empty: nowhere.
BOUNCE_LMTP = ""
# Readers of our own at other providers, to see where issues arrive, as imaps://user@host separated
# by semicolons; each is a subscriber with the address user, or user@host when the user is no
# address.
SEED_MAILBOXES = ""
# Their passwords, in that order, separated by blanks.
SEED_PASSWORDS = ""
# The editors get a letter when an issue is not there, or is among the spam, after so many hours.
SEED_HOURS = 2.0
# Providers that report by webhook what came back (docs/BOUNCES.md has the steps for each); empty:
# that provider is not listened to. Mailgun: the HTTP webhook signing key, 32 letters and digits.
MAILGUN_SIGNING_KEY = ""
# Postmark: user:password of the webhook's address, such as reports:Kx… with 16 characters or more.
POSTMARK_WEBHOOK = ""
# Amazon SES: the topic of SNS it reports to, as arn:aws:sns:eu-west-1:123456789012:fiabel.
SES_TOPIC_ARN = ""

# --- mail: who we are -----------------------------------------------------------------------------
# Identity of the list (RFC 2919): a name under a domain you own, never changed afterwards.
LIST_ID = "fiabel.list-id.nieuws.vvsg.example"
# Sender part of Feedback-ID (Google's feedback loop): 5 to 15 characters, never changed afterwards.
FEEDBACK_SENDER = "fiabel1"
# DKIM signature (RFC 6376): the domain, the selector and the RSA key (2048 bits or more) as a PEM
# file. All three, or none: then the relay signs.
DKIM_DOMAIN = ""
DKIM_SELECTOR = ""
DKIM_KEY_FILE = ""
# A second signature with an Ed25519 key (RFC 8463), under its own selector; both, or none.
DKIM_ED25519_SELECTOR = ""
DKIM_ED25519_KEY_FILE = ""
# TCP port of the local mail catcher, in development.
CATCHER_PORT = 1025

# --- issues ---------------------------------------------------------------------------------------
# Name = cron rule (minute hour day month weekday; weekdays by name, tue#1 is the first Tuesday), in
# TIMEZONE, separated by semicolons. The slot is the time of compiling.
CADENCES = "monthly = 0 9 * * tue#1; weekly = 0 9 * * thu"
# The cadence of a reader who chose none.
DEFAULT_CADENCE = "monthly"
# Addresses that get the proof of each issue, separated by commas.
EDITORS = ""
# How long editors can stop a compiled issue before it is sent, in hours.
HOLD_HOURS = 2.0
# An issue later than its slot + HOLD_HOURS by more than this is held for a person, in hours.
LATE_HOURS = 12.0
# How many people must approve an issue as it is (1, or 2: four eyes), or does silence in the hold
# window approve it (0)? An approval ends as soon as the issue, or its time, is changed.
APPROVALS = 0
# How many earlier issues of a cadence are carried to a reader who missed them (a number).
BACKLOG = 3

# --- delivery -------------------------------------------------------------------------------------
# SMTP connections at the same time, per process.
DELIVERY_CONNECTIONS = 4
# How long a sending process may be silent before others take over its work, in seconds.
LEASE_SECONDS = 60
# What happens to a message of which nobody knows whether it arrived: resend (same Message-ID, at
# most twice) | hold (for a person, at once).
IN_DOUBT = "resend"
# How many messages the relay is given, by all processes and hosts together, as 600/minute (second,
# minute, hour or day). Notices are counted first. Empty: as fast as the relay takes them.
DELIVERY_RATE = ""
# The same for domains of readers, as "gmail.com = 100/minute; hotmail.com = 20/minute".
DELIVERY_DOMAIN_RATES = ""
# When a domain of readers asks us to be slower it gets nothing for this many minutes, then little,
# and more with the time.
DOMAIN_REST_MINUTES = 10.0
# Over how many hours the messages of an issue are spread; 0: all at once.
DELIVERY_WINDOW = 0.0
# Over how many days a sending domain or relay that nobody knows yet is warmed up: it begins with
# little and gives more each day, at most twice as much; domains that took our mail well go first
# (docs/SENDING.md has a table). Days on which nothing is sent do not count. The plan begins with
# the first message after you set this; set it back to 0 when it is over, or to end it. 0: none.
WARMUP_DAYS = 0
# Minutes until a deferred message is tried again: first, second … time; the last one repeats. Each
# wait is made up to a fifth shorter or longer, so that not all come at once.
RETRY_MINUTES = "15, 35, 150"
# How long a deferred message is tried, in hours.
DELIVERY_GIVE_UP = 48.0
# An issue is paused when more than this share of its last FAILURE_SAMPLE messages was not taken, or
# none of its first ten (1: never).
FAILURE_SHARE = 0.3
# See FAILURE_SHARE (a number of messages).
FAILURE_SAMPLE = 100
# An issue is told about when a larger share of it than this came back or was refused …
BOUNCE_WARN = "2 %"
# … and paused when it is larger than this.
BOUNCE_PAUSE = "5 %"
# The same for readers who called it spam.
COMPLAINT_WARN = "0.1 %"
COMPLAINT_PAUSE = "0.3 %"
# Below this many deliveries a share says nothing (a number).
REPUTATION_SAMPLE = 500
# How long a relay that is down, or refuses everything, is left alone before it is asked again with
# one message, in seconds.
RELAY_REST_SECONDS = 60
# How long a process that was told to stop waits for answers of the relay, in seconds.
GRACE_SECONDS = 20

# --- people ---------------------------------------------------------------------------------------
# A sign-up that nobody confirms is deleted after this many days; its link works as long.
CONFIRM_DAYS = 7
# Who has not confirmed after this many hours gets one reminder; 0: none.
REMIND_HOURS = 48.0
# Letters to an address because of the public forms, whoever fills them in (those about signing up
# and those with a link to one's preferences are counted apart): within 24 hours …
CONFIRM_NOTICES_PER_DAY = 1
# … and within 30 days.
CONFIRM_NOTICES_PER_MONTH = 3
# Who bounced or was erased can come back: they get one confirm notice in this many days.
COME_BACK_DAYS = 30
# How many requests the public forms take, as 300/hour (second, minute, hour or day): from one IP
# address (IPv6: one /64). Browsers without JavaScript share a tenth of it, counted apart.
SIGNUP_IP_RATE = "300/hour"
# The same from everybody together; when it is used up the editors get a notice.
SIGNUP_RATE = "6000/hour"
# How many confirm notices go to one domain; the rest waits.
SIGNUP_DOMAIN_RATE = "1000/hour"
# How hard a browser has to work before it may sign up, unseen: leading zero bits of a SHA-256. One
# more doubles the work; 16 is a fraction of a second on an old phone; 0: no work.
WORK_BITS = 16
# Sites that may show our form in a frame, separated by blanks (CSP frame-ancestors); * is any.
EMBED_ORIGINS = "*"
# How many requests a token of the API may make, as 600/minute; half of them may come at once.
API_RATE = "600/minute"
# May endpoints, which are told of events, be on our own network, and without TLS (yes | no)? With
# no, only the public internet is connected to. For development, or a program next door.
ENDPOINTS_INSIDE = False
# How long the mailed link for export, erasure and a new address works, in hours.
DATA_LINK_HOURS = 24.0
# How long somebody who left can undo it by the goodbye notice, in days.
UNDO_DAYS = 30
# --- the editors' desk ----------------------------------------------------------------------------
# Must everybody give a second factor (an app's code, or a passkey) to sign in: required | optional?
DESK_SECOND_FACTOR = "required"
# Who does nothing on the desk for this many minutes is signed out.
DESK_IDLE_MINUTES = 60.0
# Nobody stays signed in longer than this many hours.
DESK_SESSION_HOURS = 12.0
# Changing people, or how one signs in, asks for the password or passkey again after this many
# minutes.
DESK_FRESH_MINUTES = 10.0
# How long a mailed invitation works, in days.
INVITATION_DAYS = 7
# How long a mailed link for a new password works, in hours.
NEW_PASSWORD_HOURS = 2.0
# How many wrong passwords and codes somebody may try for one editor, as 10/hour: in a browser in
# which that editor signed in before; and the same from each network, and three times that from all
# other browsers together. So a stranger who guesses locks out other strangers only.
DESK_GUESSES = "10/hour"
# How many wrong tries one network has, for all editors together.
DESK_NETWORK_GUESSES = "60/hour"
# The association's own login (OpenID Connect): the address of the provider, without
# /.well-known/openid-configuration; and what it knows us by. Empty: no such login.
OIDC_ISSUER = ""
OIDC_CLIENT_ID = ""
OIDC_CLIENT_SECRET = ""
# --- how long personal data is kept; a nightly run removes the rest (newsletter retention) --------
# The IP address and browser of a request are cut short after this many days.
ORIGIN_DAYS = 30
# The address of somebody who left, or must not be mailed, is erased after this many days; until
# then it proves the consent.
LEFT_DAYS = 1095
# Sent notices are forgotten after this many days.
NOTICE_DAYS = 180
# The relay's words about a delivery are forgotten after this many days; that it was sent stays.
REPLY_DAYS = 180
# Whom readers ask about their data (the data protection officer); empty: ORG_EMAIL.
PRIVACY_CONTACT = ""
# Who processes data for the association, for the record of processing, as
# "hosting: Name, town; mail relay: Name, town".
PROCESSORS = ""

# --- the association, for the footer of every page and mail (WVV art. 2:20) -----------------------
ORG_NAME = "Vereniging van Vlaamse Steden en Gemeenten"
ORG_LEGAL_FORM = "vzw"
ORG_ADDRESS = "Bischoffsheimlaan 1-8, 1000 Brussel"
ORG_NUMBER = "0451.763.878"
# Register of legal persons: the court.
ORG_COURT = "RPR Brussel"
ORG_EMAIL = "fiabel@nieuws.vvsg.example"
ORG_WEBSITE = "https://www.vvsg.be/"
