"""Replay of quarantine: rejected rows through today's contracts and models, each accepted at most once."""
