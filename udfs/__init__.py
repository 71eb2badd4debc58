"""The core wrapped for Spark."""
