"""One pure function for each letter: what it says, in the reader's locale, as text and HTML.

Dutch is the source; every sentence stands here or in templates/mail/notice.*. No promotion: a
notice answers something its reader just did (SEC-06).
"""
