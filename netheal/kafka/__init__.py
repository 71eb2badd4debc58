"""Kafka: clients with our settings, and what a topic is."""
