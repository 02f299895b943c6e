// A WHEP player: a stream's annotated video, kept alive until it is stopped. Knows nothing of the page.

const RETRY_MS = [500, 1000, 2000, 4000];
/** No picture for so long: the connection is made anew. */
const SILENCE_MS = 6000;
const LOOK_MS = 500;

export class WhepPlayer {
  /**
   * @param {string} name of the stream @param {HTMLVideoElement} video
   * @param {(state: "connecting" | "live" | "waiting", text: string) => void} say
   */
  constructor(name, video, say) {
    this.name = name;
    this.video = video;
    this.say = say;
    this.tries = 0;
    this.ended = false;
    /** @type {RTCPeerConnection | undefined} */ this.peer = undefined;
    /** @type {string | null} */ this.session = null;
    this.leave = () => this.stop();
    addEventListener("pagehide", this.leave);
    this.connect();
  }

  async connect() {
    if (this.ended) return;
    this.say("connecting", "connecting…");
    const peer = new RTCPeerConnection();
    this.peer = peer;
    peer.addTransceiver("video", { direction: "recvonly" });
    peer.addEventListener("track", ({ track, receiver }) => {
      if ("jitterBufferTarget" in receiver) receiver.jitterBufferTarget = 0; // the newest picture, not the smoothest
      this.video.srcObject = new MediaStream([track]);
      this.video.play().catch(() => undefined); // a page in the background; it plays once it is seen
    });
    peer.addEventListener("connectionstatechange", () => {
      if (peer === this.peer && ["failed", "closed", "disconnected"].includes(peer.connectionState)) this.again("the connection broke");
    });
    try {
      await peer.setLocalDescription();
      await gathered(peer);
      if (this.ended || peer !== this.peer) return;
      const response = await fetch(`/whep/${encodeURIComponent(this.name)}`, {
        method: "POST", headers: { "Content-Type": "application/sdp" }, body: peer.localDescription?.sdp,
      });
      const text = await response.text();
      const session = response.headers.get("Location");
      if (this.ended || peer !== this.peer) { // stopped meanwhile: the server is told that nobody looks
        if (session) forget(session);
        return;
      }
      if (!response.ok) return this.again(reason(text), Number(response.headers.get("Retry-After")) * 1000);
      this.session = session;
      await peer.setRemoteDescription({ type: "answer", sdp: text });
    } catch {
      if (peer === this.peer) this.again("the server does not answer");
      return;
    }
    this.watch(peer);
  }

  /** A stream that stands still is connected anew. @param {RTCPeerConnection} peer */
  watch(peer) {
    let time = -1;
    let moved = performance.now();
    this.timer = setInterval(() => {
      if (peer !== this.peer) return;
      const now = this.video.currentTime;
      if (now !== time && this.video.videoWidth) {
        if (time >= 0) {
          this.tries = 0;
          this.say("live", "live");
        }
        time = now;
        moved = performance.now();
      } else if (document.visibilityState === "visible" && performance.now() - moved > SILENCE_MS) {
        this.again("no picture came");
      }
    }, LOOK_MS);
  }

  /** @param {string} why @param {number} [least] milliseconds to wait at least */
  again(why, least = 0) {
    if (this.ended) return;
    this.hangUp();
    const wait = Math.max(least || 0, RETRY_MS[Math.min(this.tries, RETRY_MS.length - 1)]);
    this.tries += 1;
    this.say("waiting", `${why}; trying again`);
    this.retry = setTimeout(() => this.connect(), wait);
  }

  hangUp() {
    clearInterval(this.timer);
    clearTimeout(this.retry);
    const { peer, session } = this;
    this.peer = undefined;
    this.session = null;
    if (session) forget(session);
    peer?.close();
  }

  /** For good. */
  stop() {
    this.ended = true;
    removeEventListener("pagehide", this.leave);
    this.hangUp();
    this.video.srcObject = null;
  }
}

/** @param {string} session */
const forget = (session) => fetch(session, { method: "DELETE", keepalive: true }).catch(() => undefined);

/** @param {string} text of a refusal */
const reason = (text) => {
  try {
    return JSON.parse(text).message;
  } catch {
    return "refused";
  }
};

/** @param {RTCPeerConnection} peer */
const gathered = (peer) => new Promise((resolve) => {
  const look = () => peer.iceGatheringState === "complete" && resolve(undefined);
  peer.addEventListener("icegatheringstatechange", look);
  look();
});
