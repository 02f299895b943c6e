"""From a training run to a bundle: every form of the model, proved to agree before it ships."""
