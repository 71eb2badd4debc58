"""What a bundle may ask of the machine that reads it."""

MEGABYTE = 1024 * 1024

FILE_BYTES = 500 * MEGABYTE
PLAIN_BYTES = 512 * MEGABYTE
"""Most bytes that a compressed file may hold."""

FREE_BYTES = 32 * MEGABYTE
"""A file may hold this much whatever its ratio."""

RATIO = 200
"""Beyond `FREE_BYTES` a compressed file holds at most so many times its own size."""

LZMA_MEMORY_BYTES = 128 * MEGABYTE
PICKLE_STEPS = 2_000_000
PICKLE_DEPTH = 3
"""joblib puts a pickle inside a pickle for an array of objects."""

TEXT_BYTES = MEGABYTE
PROFILE_BYTES = MEGABYTE
MOST_FEATURES = 1024
MOST_CATEGORIES = 65_536
MOST_TREES = 2_000
MOST_MODEL_VALUES = 16 * MEGABYTE
"""Numbers that a model expands to: of each tree its nodes times its classes and four more, of a network its weights.

A part that the file holds once and names a thousand times counts a thousand times.
"""

MOST_VOTERS = 64
MOST_NETWORK_ARRAYS = 1_000
CONFIG_VALUES = 50_000
"""Values of a JSON document that somebody hands in: a profile, or a network's configuration."""

CONFIG_DEPTH = 32
"""Its levels."""
