"""Going on after something was lost: a checkpoint, a part of the database, rows of the input topic."""
