// The page that offers the widget: a picture to try it on, the bookmarklet, and things to copy.
import { drawLamps } from "./examples/lamps.js";

const byId = (/** @type {string} */ id) => /** @type {any} */ (document.getElementById(id));
const home = new URL("tell-tale.js", import.meta.url).href;
const server = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}`;

// ---- the picture: lamps, a file, or the camera

const canvas = byId("picture");
const context = canvas.getContext("2d");
const lamps = drawLamps(canvas, byId("lamps"));
/** @type {MediaStream | null} */ let camera = null;

const stopCamera = () => {
  for (const track of camera?.getTracks() ?? []) track.stop();
  camera = null;
};

const showFile = async (/** @type {Blob} */ file) => {
  const caption = byId("caption");
  try {
    const picture = await createImageBitmap(file);
    stopCamera();
    lamps.stop();
    canvas.width = picture.width;
    canvas.height = picture.height;
    context.drawImage(picture, 0, 0);
    caption.textContent = `${picture.width} × ${picture.height} pixels. Press Capture in the widget.`;
    byId("lamps").hidden = true;
  } catch {
    caption.textContent = "The browser cannot show this file as a picture: open a JPEG, PNG or WebP file.";
  }
};

const showCamera = async () => {
  try {
    stopCamera();
    camera = await navigator.mediaDevices.getUserMedia({ video: true });
  } catch (error) {
    byId("caption").textContent = `No camera: ${error instanceof Error ? error.message : error}.`;
    return;
  }
  lamps.stop();
  byId("lamps").hidden = true;
  byId("caption").textContent = "The camera's picture. Choose a rate in the widget to follow it.";
  const video = document.createElement("video");
  video.muted = true;
  video.srcObject = camera;
  await video.play();
  const mine = camera;
  const draw = () => {
    if (camera !== mine) return;
    if (canvas.width !== video.videoWidth) canvas.width = video.videoWidth;
    if (canvas.height !== video.videoHeight) canvas.height = video.videoHeight;
    context.drawImage(video, 0, 0);
    requestAnimationFrame(draw);
  };
  draw();
};

byId("file").addEventListener("change", () => byId("file").files[0] && showFile(byId("file").files[0]));
byId("camera").addEventListener("click", showCamera);
byId("scene").addEventListener("click", () => {
  stopCamera();
  byId("lamps").hidden = false;
  lamps.start();
});
const stage = byId("stage");
stage.addEventListener("dragover", (/** @type {DragEvent} */ event) => {
  event.preventDefault();
  stage.classList.add("drop");
});
stage.addEventListener("dragleave", () => stage.classList.remove("drop"));
stage.addEventListener("drop", (/** @type {DragEvent} */ event) => {
  event.preventDefault();
  stage.classList.remove("drop");
  const file = event.dataTransfer?.files[0];
  if (file) showFile(file);
});

// ---- the three ways

const loader = `(()=>{const s=document.createElement("script");s.src=${JSON.stringify(home)};s.dataset.add="";` +
  `s.onerror=()=>alert("telltale: this page or the network refuses "+s.src+"; use the bookmark that carries the whole widget");` +
  `document.documentElement.append(s)})()`;
const source = await (await fetch(home)).text();
const whole = `window.CUSTOM_WS_HOST ??= ${JSON.stringify(server)};\n${source}`;
const adder = `document.querySelector("tell-tale")??document.documentElement.append(` +
  `Object.assign(document.createElement("tell-tale"),{rate:0}));document.querySelector("tell-tale").connect();`;

/** @type {Record<string, string>} */
const texts = {
  tag: `<script src="${home}"></script>\n<tell-tale autoconnect></tell-tale>`,
  bookmark: `javascript:${encodeURIComponent(loader)}`,
  whole,
};
byId("tag").textContent = texts.tag;
byId("bookmark").href = texts.bookmark;
byId("bookmark-whole").href = `javascript:${encodeURIComponent(`(()=>{${whole}\n;${adder}})()`)}`;
for (const id of ["bookmark", "bookmark-whole"]) {
  byId(id).title = "Drag me to the bookmarks bar";
  byId(id).addEventListener("click", (/** @type {Event} */ event) => {
    event.preventDefault();
    byId(id).textContent = "drag me to the bookmarks bar";
  });
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    const before = button.textContent;
    const text = texts[/** @type {HTMLElement} */ (button).dataset.copy ?? ""];
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      button.textContent = document.execCommand("copy") ? "Copied" : "The browser refuses: open tell-tale.js and copy it";
      area.remove();
    }
    setTimeout(() => (button.textContent = before), 2000);
  });
}
document.documentElement.dataset.ready = "";
