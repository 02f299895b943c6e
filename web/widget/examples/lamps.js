// A small scene for the examples: three lamps, each with a button, that light up and go out over a third of a second.

const NAMES = ["Left", "Middle", "Right"];
const FADE_MS = 300;

/**
 * @param {HTMLCanvasElement} canvas @param {HTMLElement} buttons where the controls go
 * @returns {{start(): void, stop(): void}}
 */
export const drawLamps = (canvas, buttons) => {
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const [width, height] = [canvas.width, canvas.height];
  const wanted = [1, 0.62, 0]; // lit, half lit, out
  const level = [...wanted];
  let last = performance.now();
  let running = false;

  const draw = () => {
    const sky = context.createLinearGradient(0, 0, 0, height);
    sky.addColorStop(0, "#1b2430");
    sky.addColorStop(1, "#0e131a");
    context.fillStyle = sky;
    context.fillRect(0, 0, width, height);
    const cell = width / NAMES.length;
    NAMES.forEach((name, i) => {
      const x = cell * (i + 0.5);
      const y = height * 0.46;
      const radius = Math.min(cell, height) * 0.28;
      context.fillStyle = `rgba(255, 228, 156, ${0.82 * level[i]})`;
      context.fillRect(cell * i, 0, cell, height);
      const glow = context.createRadialGradient(x, y, radius * 0.2, x, y, cell * 0.5);
      glow.addColorStop(0, `rgba(255, 240, 200, ${0.9 * level[i]})`);
      glow.addColorStop(1, "rgba(255, 228, 156, 0)");
      context.fillStyle = glow;
      context.fillRect(cell * i, 0, cell, height);
      const shade = (/** @type {number} */ off, /** @type {number} */ on) => Math.round(off + (on - off) * level[i]);
      context.beginPath();
      context.arc(x, y, radius, 0, 2 * Math.PI);
      context.fillStyle = `rgb(${shade(52, 255)}, ${shade(62, 250)}, ${shade(74, 226)})`;
      context.fill();
      context.lineWidth = radius * 0.1;
      context.strokeStyle = "#3b4755";
      context.stroke();
      context.fillStyle = level[i] > 0.4 ? "#232b34" : "#c9d3de";
      context.font = `600 ${Math.round(height / 18)}px system-ui, sans-serif`;
      context.textAlign = "center";
      context.fillText(name, x, height * 0.9);
    });
  };

  const step = (/** @type {number} */ now) => {
    if (!running) return;
    const share = Math.min(1, (now - last) / FADE_MS);
    last = now;
    let moving = false;
    for (let i = 0; i < level.length; i++) {
      const change = Math.max(-share, Math.min(share, wanted[i] - level[i]));
      level[i] += change;
      if (level[i] !== wanted[i]) moving = true;
    }
    draw();
    running = moving;
    if (moving) requestAnimationFrame(step);
  };

  const run = () => {
    if (running) return;
    running = true;
    last = performance.now();
    requestAnimationFrame(step);
  };

  NAMES.forEach((name, i) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = `${name} lamp`;
    button.setAttribute("aria-pressed", String(wanted[i] === 1));
    button.addEventListener("click", () => {
      wanted[i] = wanted[i] === 1 ? 0 : 1;
      button.setAttribute("aria-pressed", String(wanted[i] === 1));
      run();
    });
    buttons.append(button);
  });

  const start = () => {
    canvas.width = width;
    canvas.height = height;
    run();
  };
  start();
  return {
    start,
    stop: () => {
      running = false;
    },
  };
};
