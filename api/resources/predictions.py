"""`/predictions`: verdicts, newest first, one by one, and counted."""

from apiflask import APIBlueprint

predictions = APIBlueprint("predictions", __name__)
