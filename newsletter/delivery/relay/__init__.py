"""SMTP conversations with the relay. They know addresses and bytes, not what a reply means."""

from newsletter.delivery.relay.lane import Answered, Event, Lane, Ready
from newsletter.delivery.relay.lockstep import Relay
from newsletter.delivery.relay.opening import open_connection

__all__ = ["Answered", "Event", "Lane", "Ready", "Relay", "open_connection"]
