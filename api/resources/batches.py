"""`/batches`: what each micro-batch read, used and gave."""

from apiflask import APIBlueprint

batches = APIBlueprint("batches", __name__)
