// SPDX-License-Identifier: ISC
// Lines over the last fifteen minutes.  A plot keeps its points and draws them anew when one comes
// or its width changes; a point without a value breaks the line, so what was not seen is not drawn.

const SPAN = 15 * 60 * 1000, GAP = 9000; // milliseconds; the larger one is not bridged
const HEIGHT = 132, TOP = 8, BOTTOM = 20, LEFT = 50;
const SVG = "http://www.w3.org/2000/svg";

function make(name, attributes, parent) {
    const node = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) {
        node.setAttribute(key, value);
    }
    parent.append(node);
    return node;
}

// The next round number: a few times a power of ten.
function round_up(value) {
    const power = 10 ** Math.floor(Math.log10(value));
    return [1, 2, 3, 4, 6, 8, 10].map((step) => step * power)
        .find((step) => step >= value * 0.999);
}

// From nothing to a round value above all.
function even_scale(values) {
    const top = round_up(Math.max(...values) || 1);
    return {ticks: [0, top / 2, top], part: (value) => value / top};
}

// By powers of ten, as what most wait for and what the slowest do are far from each other.
function wide_scale(values) {
    const log = (value) => Math.log10(Math.max(value, 1e-9));
    const low = Math.floor(log(Math.min(...values)));
    const high = Math.max(low + 1, Math.ceil(log(Math.max(...values)) - 1e-9));
    const ticks = [];
    for (let power = low; power <= high; power++) {
        ticks.push(10 ** power);
    }
    return {ticks, part: (value) => (log(value) - low) / (high - low)};
}

export class Plot {
    // `lines`: the names of its values, the main one first; `word` writes a value.
    constructor(figure, name, lines, word) {
        Object.assign(this, {figure, name, lines, word, points: [], at: null});
        this.is_wide = lines.length > 1;
        this.svg = make("svg", {role: "img", height: HEIGHT}, figure);
        this.tip = figure.appendChild(document.createElement("figcaption"));
        this.tip.setAttribute("aria-hidden", "true");
        new ResizeObserver(() => this.draw()).observe(figure);
        this.svg.addEventListener("pointermove", (event) => {
            this.at = event.offsetX;
            this.draw();
        });
        this.svg.addEventListener("pointerleave", () => {
            this.at = null;
            this.draw();
        });
    }

    // `values`: one a line; null: there is none.
    add(time, values) {
        this.points.push({time, values});
        while (this.points[0].time < time - SPAN) {
            this.points.shift();
        }
        this.draw();
    }

    // Parts of a line between two points that are too far from each other, as [x, y] each.
    parts(line, x, y) {
        const parts = [];
        let last = -Infinity;
        for (const {time, values} of this.points) {
            if (values[line] === null) {
                last = -Infinity;
                continue;
            }
            if (time - last > GAP) {
                parts.push([]);
            }
            parts[parts.length - 1].push([x(time), y(values[line])]);
            last = time;
        }
        return parts;
    }

    // null: there is nothing yet.
    scale() {
        const all = this.points.flatMap(({values}) => values).filter((value) => value !== null);
        return all.length === 0 ? null : this.is_wide ? wide_scale(all) : even_scale(all);
    }

    draw() {
        const width = this.figure.clientWidth, scale = this.scale(), now = Date.now();
        const end = this.points.length > 0 ? this.points[this.points.length - 1].time : now;
        const x = (time) => width - 4 - (end - time) / SPAN * (width - LEFT - 4);
        const y = (value) => HEIGHT - BOTTOM - scale.part(value) * (HEIGHT - TOP - BOTTOM);

        if (width === 0) {
            return;
        }
        this.svg.replaceChildren();
        this.svg.setAttribute("width", width);
        this.svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
        this.svg.setAttribute("aria-label", this.told());
        this.grid(width, y, scale ? scale.ticks : []);
        for (let line = this.lines.length - 1; line >= 0; line--) {
            for (const part of this.parts(line, x, y)) {
                this.stroke(part, line);
            }
        }
        this.point_out(x, y);
    }

    grid(width, y, ticks) {
        make("path", {d: `M${LEFT} ${HEIGHT - BOTTOM + 0.5}H${width}`, class: "axis"}, this.svg);
        ticks.slice(1).forEach((tick) => {
            const at = Math.round(y(tick)) + 0.5;
            make("path", {d: `M${LEFT} ${at}H${width}`, class: "grid"}, this.svg);
            make("text", {x: 0, y: at + 3.5, class: "label"}, this.svg).textContent =
                this.word(tick);
        });
        [["15 min", 0, "start"], ["10", 1 / 3, "middle"], ["5", 2 / 3, "middle"],
            ["now", 1, "end"]].forEach(([text, part, anchor]) => {
            make("text", {x: LEFT + part * (width - LEFT), y: HEIGHT - 5, class: "label",
                "text-anchor": anchor}, this.svg).textContent = text;
        });
    }

    stroke(part, line) {
        const d = "M" + part.map(([px, py]) => px.toFixed(1) + " " + py.toFixed(1)).join("L");
        const base = HEIGHT - BOTTOM;
        if (!this.is_wide && part.length > 1) {
            make("path", {d: `${d}L${part[part.length - 1][0].toFixed(1)} ${base}` +
                `L${part[0][0].toFixed(1)} ${base}Z`, class: "area"}, this.svg);
        }
        make("path", {d: part.length > 1 ? d : d + "h0.01", class: "line line" + line}, this.svg);
    }

    // The point nearest to the pointer, or the last one as a dot.
    point_out(x, y) {
        const last = this.points[this.points.length - 1];
        const near = this.at === null ? last : this.points.reduce((best, point) =>
            Math.abs(x(point.time) - this.at) < Math.abs(x(best.time) - this.at) ? point : best,
        last);

        this.tip.textContent = "";
        if (!near) {
            return;
        }
        if (this.at !== null) {
            make("path", {d: `M${x(near.time).toFixed(1)} ${TOP}V${HEIGHT - BOTTOM}`,
                class: "cross"}, this.svg);
            this.tip.textContent = new Date(near.time).toLocaleTimeString([], {hour12: false}) +
                "  " + this.values(near);
        }
        near.values.forEach((value, line) => {
            if (value !== null) {
                make("circle", {cx: x(near.time).toFixed(1), cy: y(value).toFixed(1), r: 3,
                    class: "dot dot" + line}, this.svg);
            }
        });
    }

    values(point) {
        return this.lines.map((line, i) =>
            (line ? line + " " : "") + this.word(point.values[i])).join("  ");
    }

    // For those who do not see it.
    told() {
        const last = this.points[this.points.length - 1];
        return this.name + ", the last fifteen minutes: " + (last
            ? "now " + this.values(last) + ", at most " +
                this.word(Math.max(...this.points.flatMap(({values}) => values)))
            : "nothing yet");
    }
}
