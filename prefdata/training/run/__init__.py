"""One training run, from its plan to the folder of the model."""
