"""The bouncing ball over WebRTC: one program sends it, another finds it, and every frame's error is known."""
