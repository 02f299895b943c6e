"""Tells JPEG files. MicroPython with the modules `telltale` and `ujpeg`, or CPython through ../host.py.

micropython one_picture.py a.jpg b.jpg
"""

import sys

import ujpeg

import telltale


def smallest(width, height, shape):
    """How many times smaller the picture may be decoded and still cover the net's input."""
    scale = 8
    while scale > 1 and (width // scale < shape[1] or height // scale < shape[0]):
        scale //= 2
    return scale


net = telltale.load()
buffer = bytearray(0)
for path in sys.argv[1:]:
    with open(path, "rb") as file:
        data = file.read()
    try:
        width, height = ujpeg.info(data)[:2]
        scale = smallest(width, height, net.shape)
        need = ((width + scale - 1) // scale) * ((height + scale - 1) // scale) * 3
        if len(buffer) < need:
            buffer = bytearray(need)  # kept: pictures of one camera are of one size
        width, height, channels, pixels = ujpeg.decode(data, scale, into=buffer)
        told = net.tell(memoryview(pixels)[: width * height * channels], (width, height))
    except ujpeg.JpegError as error:
        print(path, "error:", error)
        continue
    print(path, {name: (round(prob, 3), state) for name, (prob, state) in sorted(told.items())})
