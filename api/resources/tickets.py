"""`/ws/ticket`: what opens a WebSocket where tokens are asked for."""

from typing import Any

from apiflask import APIBlueprint, Schema
from apiflask.fields import Integer, String

from api.live.service import live_service
from api.live.tickets import LIFETIME_S
from api.security import requires
from api.security.guard import caller

tickets = APIBlueprint("tickets", __name__, tag="live")


class Ticket(Schema):
    """A ticket; good once."""

    ticket = String(required=True)
    expires_in_s = Integer(required=True)


@tickets.post("/ws/ticket")
@requires("viewer", anonymous=False)  # else strangers could take all that may be open at once
@tickets.output(Ticket)
def issue() -> dict[str, Any]:
    """Make a ticket: `/ws/realtime?ticket=…` opens one socket within half a minute."""
    return {"ticket": live_service().tickets.issue(caller()), "expires_in_s": LIFETIME_S}
