"""From an ONNX graph to C99 that runs inside a camera: read, quantise, plan the memory, write, prove."""
