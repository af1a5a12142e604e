"""The template of the settings: what is empty must be set, and every line makes sense."""

import re
from pathlib import Path

import pytest

import config
from newsletter import settings as settings_module
from newsletter.errors import FixSettings
from tests.deploy.files import DEPLOY, FILLED, filled

TEMPLATE = (DEPLOY / "newsletter.env").read_text("utf-8")
LINE = re.compile(r"(?m)^(#?)([A-Z][A-Z0-9_]+)=(.*)$")


def test_what_is_empty_is_what_production_asks_for(tmp_path: Path) -> None:
    empty = {name for off, name, value in LINE.findall(TEMPLATE) if not (off or value)}
    file = tmp_path / "env"
    file.write_text(TEMPLATE.replace("/var/lib/fiabel", str(tmp_path)))
    with pytest.raises(FixSettings) as refused:
        settings_module.load(environ={}, env_file=file)
    asked = set(re.findall(r"(?m)^([A-Z_]+) must be set", str(refused.value)))
    named = set(re.findall(r"(?m)^([A-Z_]+) must", str(refused.value)))
    assert empty >= asked
    assert empty == named
    assert empty == set(FILLED)


def test_every_line_is_a_setting_and_makes_sense(tmp_path: Path) -> None:
    names = [name for _off, name, _value in LINE.findall(TEMPLATE)]
    assert len(set(names)) == len(names)
    assert [name for name in names if not hasattr(config, name)] == []
    everything = LINE.sub(lambda found: f"{found[2]}={found[3]}", filled())
    everything = everything.replace("/var/lib/fiabel", str(tmp_path / "state"))
    # Either of two relays, and passwords, are for whoever needs them.
    file = tmp_path / "env"
    file.write_text(everything.replace("BOUNCE_MAILBOX_PASSWORD=", "BOUNCE_MAILBOX_PASSWORD=x"))
    settings = settings_module.load(environ={}, env_file=file)
    assert settings.production
    assert settings.trusted_proxies == 1
    assert settings.bounce_lmtp is not None
    assert settings.cadences["monthly"] == config.CADENCES.split(";")[0].partition("=")[2].strip()


def test_what_may_be_left_is_the_default_or_an_example() -> None:
    """Nobody has to guess what happens without the line."""
    said = {name: value for off, name, value in LINE.findall(TEMPLATE) if off}
    shown = ("example", "postgresql", "192.0.2.", "r2026", "/etc/fiabel", "127.0.0.1:2424", "Name,")
    for name, value in said.items():
        default = getattr(config, name)
        if isinstance(default, bool):
            default = "yes" if default else "no"
        ours = name in {"WARMUP_DAYS", "METRICS_PORT"} or any(part in value for part in shown)
        assert str(default) == value or ours, name
