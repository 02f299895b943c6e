// A board of three lamps on a plate that can be turned. What is wrong with it is told by the query:
//   miss=N every Nth click is lost · double every press needs two clicks · wander=N every Nth click hits another lamp
//   stick=N every Nth click turns nothing off any more · never the picture never stands still · spin it never does after a press
//   tainted · away it leaves after N clicks · alert a dialog first · banner a cover
//   blind=NAME the lamp shows nothing · side=NAME the lamp is seen only from behind · mute nothing is told
//   start=NAME is lit at the start · slow=MS of animation · drag · instant · lie=NAME told as it is not
const query = new URLSearchParams(location.search);
const number = (key) => Number(query.get(key) ?? 0);
const canvas = document.querySelector("canvas");
const ctx = canvas.getContext("2d");
const NAMES = ["red", "green", "blue"];
const COLOURS = { red: [220, 40, 30], green: [20, 160, 60], blue: [30, 80, 220] };
const lit = Object.fromEntries(NAMES.map((name) => [name, query.get("start") === name]));
const glow = Object.fromEntries(NAMES.map((name) => [name, Number(lit[name])]));
let [turn, tilt, paint, clicks, last] = [0, 0, query.get("paint") ?? "#777", 0, performance.now()];
if (query.get("turn")) turn = Number(query.get("turn"));

const slow = query.has("instant") ? 1e-9 : number("slow") || 200;

function draw(now) {
  const dt = now - last;
  last = now;
  for (const name of NAMES) {
    const way = Number(lit[name]) - glow[name];
    glow[name] += Math.sign(way) * Math.min(Math.abs(way), dt / slow);
  }
  ctx.fillStyle = "#d8dde3";
  ctx.fillRect(0, 0, 320, 240);
  ctx.save();
  ctx.translate(160, 120 + tilt);
  ctx.rotate((turn * Math.PI) / 180);
  ctx.fillStyle = paint;
  ctx.fillRect(-110, -40, 220, 80);
  NAMES.forEach((name, i) => {
    if (query.get("blind") === name) return;
    if (query.get("side") === name && Math.abs(((turn % 360) + 360) % 360 - 180) > 90) return;
    const [r, g, b] = COLOURS[name];
    const k = 0.15 + 0.85 * glow[name];
    ctx.fillStyle = `rgb(${r * k},${g * k},${b * k})`;
    ctx.beginPath();
    ctx.arc(-70 + 70 * i, 0, 24, 0, 7);
    ctx.fill();
  });
  ctx.restore();
  if (query.has("never") || (query.has("spin") && clicks > number("spin"))) {
    ctx.fillStyle = "#000";
    ctx.fillRect((now / 5) % 300, 5, 20, 20);
  }
  requestAnimationFrame(draw);
}

function press(name) {
  clicks++;
  const every = (key) => number(key) > 0 && clicks % number(key) === 0;
  if (every("miss")) return;
  if (query.has("double") && clicks % 2) return;
  if (every("away")) return void (location.href = "empty.html");
  if (every("stick") && lit[name]) return;
  const hit = every("wander") ? NAMES[(NAMES.indexOf(name) + 1) % 3] : name;
  lit[hit] = !lit[hit];
  for (const other of NAMES) document.getElementById(other).setAttribute("aria-pressed", lit[other]);
}

for (const name of NAMES) {
  const button = document.createElement("button");
  button.id = name;
  button.textContent = `${name[0].toUpperCase()}${name.slice(1)} lamp`;
  button.setAttribute("aria-pressed", lit[name]);
  button.addEventListener("click", () => press(name));
  document.getElementById("bar").append(button);
}

canvas.addEventListener("pointermove", (e) => {
  if (!e.buttons || !query.has("drag")) return;
  turn += e.movementX;
  tilt += e.movementY / 4;
});

if (query.has("banner")) document.getElementById("banner").style.display = "block";
if (query.has("alert")) alert("Do you take cookies?");
if (query.has("tainted")) {
  const image = new Image();
  image.src = query.get("tainted");
  await image.decode();
  ctx.drawImage(image, 0, 0);
}

if (!query.has("mute"))
  window.lamps = {
    state: () => Object.fromEntries(NAMES.map((name) => [name, lit[name] !== (query.get("lie") === name && clicks > 6)])),
    settled: () => NAMES.every((name) => glow[name] === Number(lit[name])),
    camera: ({ angle, height }) => ([turn, tilt] = [angle, height ?? 0]),
    look: ({ colour }) => (paint = colour),
    visibility: () => Object.fromEntries(NAMES.map((name) => [name, 1800])),
  };
else window.aim = (angle) => (turn = angle);
requestAnimationFrame(draw);
