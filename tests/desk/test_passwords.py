"""Which passwords do: what an attacker knows of us and of somebody counts for nothing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.web.accounts.means import COMMON, SHORT, too_weak

AN = ("An Peeters", "an.peeters@vvsg.example")
WORDS = (
    *("koeien", "dansen", "fiets", "regen", "tafel", "oranje", "lamp", "zeven", "boot", "kachel"),
    *("molen", "geit", "spijker", "winter", "trommel", "wolk", "kaas", "ladder", "perron", "zout"),
)


@pytest.mark.parametrize(
    "password",
    [
        *("fiabel nieuwsbrief", "vvsg fiabel vvsg", "redactie redactie", "vvsg-gemeente-1"),
        *(
            "Welkom12345!",
            "anpeeters1234",
            "Gémeente-Fiabel",
            "F1abel N1euw5br1ef",
            "v v s g fiabel",
        ),
        *(
            "Welkom1234567890",
            "fiabelpassword",
            "AN.PEETERS@vvsg",
            "vvsg2026vvsg",
            "redactieqwerty",
        ),
    ],
)
def test_words_of_ours_are_no_password(password: str) -> None:
    assert too_weak(password, *AN) == COMMON


@pytest.mark.parametrize("password", ["kort", "x" * 129, "zo kort nog"])
def test_a_password_has_a_length(password: str) -> None:
    assert too_weak(password, *AN) == SHORT


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from(WORDS), min_size=4, max_size=7, unique=True), st.sampled_from(" -.")
)
def test_four_words_are_a_password(words: list[str], between: str) -> None:
    assert too_weak(between.join(words), *AN) is None


@pytest.mark.parametrize(
    "password",
    [
        *("fiabel met zeven oranje geiten", "Peeters kookt elke dag kaas", "q7Rz-kM2v-Tn9x"),
        *("Мои зелёные коровы танцуют", "ŝ" * 3 + "kwabaltorig-mup"),
    ],
)
def test_what_is_left_may_be_enough(password: str) -> None:
    assert too_weak(password, *AN) is None
