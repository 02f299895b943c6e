"""Asks a camera for snapshots and prints what changed. MicroPython, or CPython through ../host.py.

micropython watch.py http://192.168.0.90/snapshot.jpg [pictures] [seconds between]
"""

import sys
import time

try:
    import socket
except ImportError:
    import usocket as socket

import ujpeg

import telltale

LARGEST = 2_000_000


def fetch(url):
    """The body of an HTTP/1.0 answer. OSError or ValueError when there is none."""
    host, _, path = url.split("://", 1)[1].partition("/")
    name, _, port = host.partition(":")
    link = socket.socket()
    try:
        link.settimeout(5)
        link.connect(socket.getaddrinfo(name, int(port or 80))[0][-1])
        link.sendall(("GET /%s HTTP/1.0\r\nHost: %s\r\n\r\n" % (path, host)).encode())  # noqa: UP031
        parts, size = [], 0
        while size < LARGEST:
            part = link.recv(8192)
            if not part:
                break
            parts.append(part)
            size += len(part)
    finally:
        link.close()
    head, _, body = b"".join(parts).partition(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n")[0]:
        raise ValueError("no picture: " + head.split(b"\r\n")[0].decode())
    return body


url = sys.argv[1]
left = int(sys.argv[2]) if len(sys.argv) > 2 else -1
pause_s = float(sys.argv[3]) if len(sys.argv) > 3 else 1.0
net = telltale.load()
seen = False
while left != 0:
    left -= 1
    try:
        data = fetch(url)
        width, height, components = ujpeg.info(data)[:3]
        scale = 8
        while scale > 1 and (width // scale < net.shape[1] or height // scale < net.shape[0]):
            scale //= 2
        width, height, channels, pixels = ujpeg.decode(data, scale)
        net.tell(pixels, (width, height))
    except (OSError, ValueError) as error:  # ujpeg.JpegError is a ValueError
        print("error:", error)
    else:
        if not seen:
            print("begins with", {name: state for name, (_, state) in sorted(net.states().items())})
            seen = True
        for name, before, after, prob, _ in net.events():
            print("event:", name, before, "->", after, round(prob, 3))
    time.sleep(pause_s)
