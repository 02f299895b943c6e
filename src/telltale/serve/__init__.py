"""Answer over HTTP and WebSocket. Needs the `serve` extra; `server.py` starts it, `client.py` asks it."""
