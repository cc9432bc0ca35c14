// The map: items as points on a canvas. Pointing at one shows what it is; a drag draws a lasso, a click picks one
// point, and with Shift both add to what is picked; the legend picks groups. By keyboard, arrows go from point to
// point, Space picks and Escape lets go. Python is told the numbers of what is picked. Names are set as text.
const NEAR = 14; // pixels from a point at which it is meant
const SIZE = 3.5;

// Whether a place lies inside a line that is closed: a ray from it crosses the line an odd number of times.
const isInside = ([x, y], line) =>
  line.reduce((odd, [ax, ay], n) => {
    const [bx, by] = line[(n + 1) % line.length];
    return ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax ? !odd : odd;
  }, false);

class Scatter {
  constructor(parent) {
    this.canvas = make("canvas", { tabindex: "0", role: "application" });
    this.tip = make("div", { class: "sk-tip", role: "status", hidden: "" });
    this.legend = make("div", { class: "sk-legend", role: "group", "aria-label": "Groups" });
    this.box = make("div", { class: "sk-map" }, this.canvas, this.tip);
    parent.append(this.box, this.legend);
    this.picked = new Set();
    this.line = null; // of the lasso while it is drawn, in pixels
    this.here = -1; // the number of the point that is shown
    this.canvas.onpointerdown = (event) => this.begin(event);
    this.canvas.onpointermove = (event) => this.move(event);
    this.canvas.onpointerup = (event) => this.end(event);
    this.canvas.onpointercancel = () => this.stop();
    this.canvas.onpointerleave = (event) => event.pointerType === "mouse" && !this.line && this.show(-1);
    this.canvas.onblur = () => this.show(-1);
    this.canvas.onkeydown = (event) => this.key(event);
    new ResizeObserver(() => this.resize()).observe(this.box);
  }

  set({ points, groups, said }, tell) {
    Object.assign(this, { points, tell });
    const style = getComputedStyle(this.box);
    const given = style.getPropertyValue("--st-chart-categorical-colors").split(",");
    this.colours = [0, 1].flatMap((odd) => given.filter((_, n) => n % 2 === odd)); // they come in pairs of one hue
    this.other = style.getPropertyValue("--st-gray-color") || "#888"; // of the last group, where there are very many
    this.canvas.setAttribute("aria-label", said);
    this.legend.replaceChildren(...groups.map(([name, count], group) => {
      const dot = make("i", { style: `background:${this.colour(group)}` });
      const one = make("button", { type: "button", title: "Pick all of these" }, dot, `${name} ${count}`);
      one.onclick = (event) => this.pick(this.numbers((point) => point[2] === group), event.shiftKey);
      return one;
    }));
    this.resize();
  }

  colour(group) { return this.colours[group] || this.other; }
  numbers(are) { return this.points.flatMap((point, number) => (are(point, number) ? [number] : [])); }

  resize() {
    const { width, height } = this.box.getBoundingClientRect();
    if (!this.points || !width) return;
    const sharp = window.devicePixelRatio || 1;
    Object.assign(this.canvas, { width: width * sharp, height: height * sharp });
    const edge = 12; // so that no point is cut
    this.places = this.points.map(([x, y]) => [edge + ((x + 1) / 2) * (width - 2 * edge), edge + ((1 - y) / 2) * (height - 2 * edge)]);
    this.pen = this.canvas.getContext("2d");
    this.pen.setTransform(sharp, 0, 0, sharp, 0, 0);
    this.draw();
  }

  draw() {
    const { pen } = this;
    pen.clearRect(0, 0, this.canvas.width, this.canvas.height);
    const ring = (number, size) => { pen.beginPath(); pen.arc(...this.places[number], size, 0, 2 * Math.PI); };
    for (const number of this.points.keys()) {
      pen.globalAlpha = !this.picked.size ? 0.7 : this.picked.has(number) ? 0.95 : 0.25;
      pen.fillStyle = this.colour(this.points[number][2]);
      ring(number, SIZE);
      pen.fill();
    }
    pen.globalAlpha = 1;
    pen.strokeStyle = getComputedStyle(this.box).color;
    pen.lineWidth = 1.5;
    if (this.here >= 0) { ring(this.here, SIZE + 3); pen.stroke(); }
    if (!this.line) return;
    pen.beginPath();
    this.line.forEach((place) => pen.lineTo(...place));
    pen.closePath();
    pen.setLineDash([5, 4]);
    pen.stroke();
    pen.setLineDash([]);
  }

  at({ offsetX, offsetY }) {
    let [best, least] = [-1, NEAR ** 2];
    this.places.forEach(([x, y], number) => {
      const far = (x - offsetX) ** 2 + (y - offsetY) ** 2;
      if (far < least) [best, least] = [number, far];
    });
    return best;
  }

  show(number) {
    if (number === this.here) return;
    this.here = number;
    this.tip.hidden = number < 0;
    if (number >= 0) {
      const [, , , name, thumb, text] = this.points[number];
      const inside = [thumb && make("img", { src: thumb, alt: "" }), make("b", {}, name), text && make("span", {}, text)];
      this.tip.replaceChildren(...inside.filter(Boolean));
      const [x, y] = this.places[number];
      const { clientWidth, clientHeight } = this.box;
      this.tip.style.cssText = `${x > clientWidth / 2 ? `right:${clientWidth - x + 14}px` : `left:${x + 14}px`};${y > clientHeight / 2 ? `bottom:${clientHeight - y}px` : `top:${y}px`}`;
    }
    this.draw();
  }

  begin(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this.line = [[event.offsetX, event.offsetY]];
  }

  move(event) {
    if (!this.line) return this.show(this.at(event));
    this.line.push([event.offsetX, event.offsetY]);
    if (this.isDrag()) this.show(-1);
    this.draw();
  }

  isDrag() { return this.line.some(([x, y]) => Math.hypot(x - this.line[0][0], y - this.line[0][1]) > 6); }

  end(event) {
    const { line } = this;
    if (!line) return;
    const isDrag = this.isDrag();
    this.stop();
    if (isDrag) return this.pick(this.numbers((_, number) => isInside(this.places[number], line)), event.shiftKey);
    const one = this.at(event);
    this.show(one);
    this.pick(one < 0 ? [] : [one], event.shiftKey);
  }

  stop() { this.line = null; this.draw(); }

  pick(numbers, adds) {
    const before = [...this.picked];
    this.picked = new Set(adds ? [...before, ...numbers] : numbers);
    this.draw();
    const now = [...this.picked].sort((one, other) => one - other);
    if (String(before) !== String(now)) this.tell("picked", now);
  }

  key(event) {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (event.key === "Escape") this.pick([], false);
    else if (event.key === " " && this.here >= 0) this.pick([this.here], true);
    else if (way) this.show(this.here < 0 ? 0 : this.beside(way));
    else return;
    event.preventDefault();
  }

  // The nearest that lies rather this way than across it.
  beside([dx, dy]) {
    const [x, y] = this.places[this.here];
    let [best, least] = [this.here, Infinity];
    this.places.forEach(([px, py], number) => {
      const along = (px - x) * dx + (py - y) * dy;
      const across = Math.abs((px - x) * dy) + Math.abs((py - y) * dx);
      if (along > 0.5 && across <= along && along + across < least) [best, least] = [number, along + across];
    });
    return best;
  }
}

export default function ({ data, parentElement, setStateValue }) {
  parentElement.scatter ??= new Scatter(parentElement);
  parentElement.scatter.set(data, setStateValue);
}
