import { drawLamps } from "./lamps.js";

drawLamps(/** @type {any} */ (document.querySelector("canvas")), /** @type {any} */ (document.getElementById("lamps")));

const widget = /** @type {HTMLElement} */ (document.querySelector("tell-tale"));
const heard = /** @type {HTMLElement} */ (document.getElementById("heard"));
const numbers = /** @type {HTMLElement} */ (document.getElementById("numbers"));
let answers = 0;

const write = (/** @type {string} */ text) => {
  const item = document.createElement("li");
  item.textContent = text;
  heard.prepend(item);
  while (heard.children.length > 12) heard.lastElementChild?.remove();
};

widget.addEventListener("tell-tale-state", (/** @type {any} */ { detail }) => write(`state: ${detail.state} ${detail.where}`));
widget.addEventListener("tell-tale-event", (/** @type {any} */ { detail }) =>
  write(`event: ${detail.name} went from ${detail.from} to ${detail.to} (${detail.prob.toFixed(2)})`));
widget.addEventListener("tell-tale-error", (/** @type {any} */ { detail }) => write(`error ${detail.code}: ${detail.message}`));
widget.addEventListener("tell-tale-result", (/** @type {any} */ { detail }) => {
  answers += 1;
  numbers.textContent = `${answers} answers; the last of a picture of ${detail.size.join(" × ")} pixels, ${Math.round(detail.total_ms)} ms after it was taken.`;
});
