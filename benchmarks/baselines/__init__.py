"""What the stream is compared with: the same rows from the same topic, by other means."""
