const video = /** @type {HTMLVideoElement} */ (document.querySelector("video"));
const caption = /** @type {HTMLElement} */ (document.getElementById("caption"));
/** @type {string | null} */ let url = null;

const stop = () => {
  const stream = /** @type {MediaStream | null} */ (video.srcObject);
  for (const track of stream?.getTracks() ?? []) track.stop();
  video.srcObject = null;
  video.removeAttribute("src");
  if (url) URL.revokeObjectURL(url);
  url = null;
  video.load();
};

document.getElementById("camera")?.addEventListener("click", async () => {
  stop();
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { width: 960, height: 540 } });
    await video.play();
    caption.textContent = `The camera: ${video.videoWidth} × ${video.videoHeight}`;
  } catch (error) {
    caption.textContent = `No camera: ${error instanceof Error ? error.message : error}.`;
  }
});

document.getElementById("file")?.addEventListener("change", async (event) => {
  const file = /** @type {HTMLInputElement} */ (event.target).files?.[0];
  if (!file) return;
  stop();
  video.src = url = URL.createObjectURL(file);
  try {
    await video.play();
    caption.textContent = `${file.name}: ${video.videoWidth} × ${video.videoHeight}`;
  } catch (error) {
    caption.textContent = `The browser cannot play this file: ${error instanceof Error ? error.message : error}.`;
  }
});

document.getElementById("stop")?.addEventListener("click", stop);
