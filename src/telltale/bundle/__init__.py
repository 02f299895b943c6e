"""A model for every runtime: a folder that describes itself, and the way to run it with onnxruntime alone."""
