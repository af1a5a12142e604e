"""A world with a return path, on both databases."""

from dataclasses import replace
from datetime import datetime

import pytest
from sqlalchemy.orm import Session

from newsletter.settings import Settings
from tests.bounces.world import BOX, World


@pytest.fixture
def world(session: Session, settings: Settings, now: datetime) -> World:
    return World(session, replace(settings, return_path=BOX, reply_to="redactie@nieuws.test"), now)
