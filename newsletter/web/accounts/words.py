"""What Flask-Security says, in our words and languages."""

from flask_security.babel import FsDomain

from newsletter.i18n import _, translate
from newsletter.web.page import locale

DONE, NOTE, WRONG = "done", "info", "error"
MESSAGES = {
    "API_ERROR": (_("Je browser stuurde iets wat we niet begrijpen. Probeer het opnieuw."), WRONG),
    "DISABLED_ACCOUNT": (_("Deze account is uitgeschakeld."), WRONG),
    "EMAIL_NOT_PROVIDED": (_("Vul je e-mailadres in."), WRONG),
    "GENERIC_AUTHN_FAILED": (_("Dit e-mailadres en dit wachtwoord horen niet samen."), WRONG),
    "INVALID_CODE": (_("Deze code klopt niet, of is al gebruikt."), WRONG),
    "INVALID_EMAIL_ADDRESS": (_("Vul je e-mailadres in."), WRONG),
    "INVALID_INPUT": (_("Dit kan hier niet staan."), WRONG),
    "INVALID_INPUT_LENGTH": (_("Dit is te lang."), WRONG),
    "INVALID_PASSWORD": (_("Dit wachtwoord klopt niet."), WRONG),
    "INVALID_RECOVERY_CODE": (_("Deze herstelcode klopt niet, of is al gebruikt."), WRONG),
    "INVALID_REDIRECT": (_("Die link gaat niet naar de redactie."), WRONG),
    "PASSWORD_CHANGE": (
        _("Je wachtwoord is gewijzigd. Andere browsers zijn afgemeld."),
        DONE,
    ),
    "PASSWORD_IS_THE_SAME": (_("Dit is je huidige wachtwoord. Kies een ander."), WRONG),
    "PASSWORD_NOT_PROVIDED": (_("Vul je wachtwoord in."), WRONG),
    "REAUTHENTICATION_REQUIRED": (_("Toon eerst even dat jij het bent."), NOTE),
    "REAUTHENTICATION_SUCCESSFUL": (_("Dank je, je kunt verder."), DONE),
    "RETYPE_PASSWORD_MISMATCH": (_("De twee wachtwoorden zijn niet hetzelfde."), WRONG),
    "TWO_FACTOR_CHANGE_METHOD_SUCCESSFUL": (_("Je app is gekoppeld."), DONE),
    "TWO_FACTOR_DISABLED": (_("Je app is ontkoppeld."), DONE),
    "TWO_FACTOR_INVALID_TOKEN": (_("Deze code klopt niet, of is al gebruikt."), WRONG),
    "TWO_FACTOR_LOGIN_SUCCESSFUL": (_("Je bent aangemeld."), DONE),
    "TWO_FACTOR_METHOD_NOT_AVAILABLE": (_("Dat kan hier niet."), WRONG),
    "TWO_FACTOR_PERMISSION_DENIED": (_("Meld je eerst aan."), NOTE),
    "TWO_FACTOR_SETUP_EXPIRED": (_("Dat duurde te lang. Begin opnieuw."), WRONG),
    "UNAUTHENTICATED": (_("Meld je eerst aan."), NOTE),
    "USER_DOES_NOT_EXIST": (_("Dit e-mailadres en dit wachtwoord horen niet samen."), WRONG),
    "WEBAUTHN_CREDENTIAL_DELETED": (_("De toegangssleutel “%(name)s” is verwijderd."), DONE),
    "WEBAUTHN_CREDENTIAL_ID_INUSE": (_("Deze toegangssleutel is al gekoppeld."), WRONG),
    "WEBAUTHN_CREDENTIAL_WRONG_USAGE": (_("Deze toegangssleutel werkt hier niet."), WRONG),
    "WEBAUTHN_EXPIRED": (_("Dat duurde te lang. Begin opnieuw."), WRONG),
    "WEBAUTHN_MISMATCH_USER_HANDLE": (_("Deze toegangssleutel is van iemand anders."), WRONG),
    "WEBAUTHN_NAME_DISALLOWED_CHARACTERS": (
        _("Gebruik in de naam alleen letters, cijfers, spaties en streepjes."),
        WRONG,
    ),
    "WEBAUTHN_NAME_INUSE": (_("Je hebt al een toegangssleutel “%(name)s”."), WRONG),
    "WEBAUTHN_NAME_NOT_FOUND": (_("Je hebt geen toegangssleutel “%(name)s”."), WRONG),
    "WEBAUTHN_NAME_REQUIRED": (_("Geef de toegangssleutel een naam."), WRONG),
    "WEBAUTHN_NO_VERIFY": (_("De toegangssleutel werd niet aanvaard. Probeer het opnieuw."), WRONG),
    "WEBAUTHN_ORPHAN_CREDENTIAL_ID": (_("Deze toegangssleutel kennen we niet."), WRONG),
    "WEBAUTHN_REGISTER_SUCCESSFUL": (_("De toegangssleutel “%(name)s” is gekoppeld."), DONE),
    "WEBAUTHN_UNKNOWN_CREDENTIAL_ID": (_("Deze toegangssleutel kennen we niet."), WRONG),
}


class Words(FsDomain):
    """What Flask-Security asks for a text in the language of the page."""

    @staticmethod
    def gettext(string: str, **variables: object) -> str:
        """The text in the language of the page."""
        return translate(locale(), string, **variables)
