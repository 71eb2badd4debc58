"""How far traffic lies from a model's training rows: counts that add up, figures, windows."""
