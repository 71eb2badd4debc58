"""netheal: network threat detection and self-healing as a distributed stream-processing job."""
