"""A WHIP client on GStreamer's webrtcbin, a second implementation: run by the system's Python, which has `gi`.

python3 gst_whip.py URL ENCODER SECONDS: sends white pictures; prints each message of the data channel as a line.
"""

import os
import sys
import urllib.request
from typing import Any

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
gi.require_version("Nice", "0.1")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC, Nice  # noqa: E402

ENCODERS = {
    "vp8": "vp8enc deadline=1 keyframe-max-dist=30 ! rtpvp8pay"
    " ! application/x-rtp,media=video,encoding-name=VP8,payload=96",
    "h264": "openh264enc complexity=low ! h264parse config-interval=-1 ! rtph264pay aggregate-mode=zero-latency"
    " ! application/x-rtp,media=video,encoding-name=H264,payload=97",
}


def main() -> None:
    url, encoder, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    Gst.init(None)
    pipe = Gst.parse_launch(
        "webrtcbin name=peer bundle-policy=max-bundle "
        "videotestsrc is-live=true pattern=solid-color foreground-color=0xffffffff"
        " ! video/x-raw,width=320,height=240,framerate=15/1 ! videoconvert ! queue ! " + ENCODERS[encoder] + " ! peer."
    )
    loop = GLib.MainLoop()
    peer = pipe.get_by_name("peer")
    state = {"session": ""}
    kept: list[Any] = []
    ice = peer.get_property("ice-agent")
    agent = ice.get_property("agent")
    kept += [ice, agent]
    loopback = Nice.Address.new()  # left to itself it takes every address but this one
    loopback.set_from_string("127.0.0.1")
    agent.add_local_address(loopback)

    def post() -> bool:
        if peer.get_property("ice-gathering-state") != GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            return True
        sdp = peer.get_property("local-description").sdp.as_text()
        request = urllib.request.Request(url, sdp.encode(), {"Content-Type": "application/sdp"}, method="POST")
        with urllib.request.urlopen(request) as response:
            assert response.status == 201, response.status
            state["session"] = response.headers["Location"]
            _, answer = GstSdp.SDPMessage.new_from_text(response.read().decode())
        description = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, answer)
        peer.emit("set-remote-description", description, Gst.Promise.new())
        return False

    def offered(promise: Any, _: object) -> None:
        promise.wait()
        kept.append(promise.get_reply())  # the offer is a part of it
        offer = kept[-1].get_value("offer")
        peer.emit("set-local-description", offer, Gst.Promise.new())
        GLib.timeout_add(50, post)

    def negotiate(_: object) -> None:
        channel = peer.emit("create-data-channel", "telltale", None)
        channel.connect("on-message-string", lambda channel, text: print(text, flush=True))
        kept.append(channel)
        peer.disconnect(asking)
        peer.emit("create-offer", None, Gst.Promise.new_with_change_func(offered, None))

    asking = peer.connect("on-negotiation-needed", negotiate)
    GLib.timeout_add(int(seconds * 1000), loop.quit)
    pipe.set_state(Gst.State.PLAYING)
    loop.run()
    if state["session"]:
        base = url.split("/whip")[0]
        end = urllib.request.Request(base + str(state["session"]), method="DELETE")
        urllib.request.urlopen(end).close()
    sys.stdout.flush()
    os._exit(0)  # webrtcbin's objects and Python's do not agree on who frees them


main()
