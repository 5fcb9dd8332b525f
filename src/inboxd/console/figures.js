// SPDX-License-Identifier: ISC
// What is computed of the pages, and how it is written for people.  Touches no document.

// A histogram of what came between two pages: [bound, count] each, not added up; the last one,
// without a bound, is of what is larger than all.
function between(before, now) {
    const cells = [];
    let last = 0;
    now.buckets.forEach(([bound, total], i) => {
        const sum = total - before.buckets[i][1];
        cells.push([bound, sum - last]);
        last = sum;
    });
    cells.push([Infinity, now.count - before.count - last]);
    return cells;
}

// The value below which that part of them is, taken as spread evenly within a bucket; null: there
// were none.  What is larger than all bounds is told as the largest.
export function quantile(before, now, part) {
    const cells = between(before, now);
    const count = cells.reduce((sum, cell) => sum + cell[1], 0);
    let left = part * count, low = 0;

    if (!(count > 0)) {
        return null;
    }
    for (const [bound, inside] of cells) {
        if (bound === Infinity) {
            break;
        }
        if (inside >= left && inside > 0) {
            return low + (bound - low) * (left / inside);
        }
        left -= inside;
        low = bound;
    }
    return low;
}

// Their mean; null: there were none.
export function mean(before, now) {
    const count = now.count - before.count;
    return count > 0 ? (now.sum - before.sum) / count : null;
}

// All numbers of a value that is one, or an object of such.
export function total(value) {
    return typeof value === "object" && value !== null
        ? Object.values(value).reduce((sum, one) => sum + total(one), 0) : Number(value) || 0;
}

// ---- words

const NONE = "–";

export function count(value) {
    return value === null || value === undefined ? NONE : Number(value).toLocaleString("en-US");
}

// "one item", "2 items".
export function several(value, word) {
    return value === 1 ? "1 " + word : count(value) + " " + word + "s";
}

function digits(value) {
    return value >= 100 || value === 0 ? value.toFixed(0)
        : value >= 10 ? value.toFixed(1).replace(/\.0$/, "") : value.toFixed(2).replace(/\.?0+$/, "");
}

export function rate(value) {
    return value === null ? NONE : value >= 1000 ? count(Math.round(value)) : digits(value);
}

export function bytes(value) {
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let unit = 0;

    if (value === null || value === undefined) {
        return NONE;
    }
    while (value >= 1024 && unit + 1 < units.length) {
        value /= 1024;
        unit++;
    }
    return digits(value) + " " + units[unit];
}

// How long something took.
export function took(seconds) {
    return seconds === null ? NONE
        : seconds < 0.001 ? digits(seconds * 1e6) + " µs"
        : seconds < 1 ? digits(seconds * 1000) + " ms" : digits(seconds) + " s";
}

// How long something has lasted: its largest two parts.
export function span(seconds) {
    const units = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
    let left = Math.max(0, Math.floor(seconds));
    const at = units.findIndex(([size]) => left >= size);

    if (at < 0) {
        return "0 s";
    }
    const first = Math.floor(left / units[at][0]);
    left -= first * units[at][0];
    const second = at + 1 < units.length ? Math.floor(left / units[at + 1][0]) : 0;
    return first + " " + units[at][1] +
        (second > 0 && first < 10 ? " " + second + " " + units[at + 1][1] : "");
}

export function ago(time, now) {
    return time === null || time === undefined ? "never"
        : now - time < 2 ? "now" : span(now - time) + " ago";
}

export function clock(time) {
    return new Date(time * 1000).toLocaleTimeString([], {hour: "2-digit", minute: "2-digit",
        second: "2-digit", hour12: false});
}
