// SPDX-License-Identifier: ISC
// Tables.  Whatever a cell says is set as text; roles are said, as a narrow screen shows each row
// as a card, and browsers forget then that it was a table.

export const NOTHING = "–"; // a cell that a card has not

function node(name, parent, attributes = {}) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
        made.setAttribute(key, value);
    }
    parent.append(made);
    return made;
}

// `columns`: {name, is_number} each.
export function begin(table, columns) {
    const row = node("tr", node("thead", table, {role: "rowgroup"}), {role: "row"});
    for (const {name, is_number} of columns) {
        node("th", row, {role: "columnheader", scope: "col",
            class: is_number ? "number" : ""}).textContent = name;
    }
    node("tbody", table, {role: "rowgroup"});
    table.columns = columns;
}

function fill_cell(cell, value) {
    const {text, kind, note, part} = typeof value === "object" && value !== null
        ? value : {text: value};
    if (kind) {
        node("span", cell, {class: "pill " + kind}).textContent = text;
    } else {
        cell.append(String(text));
    }
    if (note) {
        node("small", cell).textContent = note;
    }
    if (part !== undefined && part !== null) {
        const meter = node("span", cell, {class: "meter", "aria-hidden": "true"});
        node("span", meter, {class: part >= 0.9 ? "high" : ""}).style.width =
            Math.min(100, 100 * part).toFixed(1) + "%";
    }
}

// `rows`: a list of cells each, and a cell is text or {text, kind: of a pill, note: below it, part:
// a bar}; the first one heads its row.  `none`: what stands there where there are none.
// Left as it is while somebody has marked text in it, to copy it.
export function fill(table, rows, none) {
    const marked = document.getSelection();
    if (!marked.isCollapsed && table.contains(marked.anchorNode)) {
        return;
    }
    const body = document.createElement("tbody");
    body.setAttribute("role", "rowgroup");
    for (const cells of rows) {
        const row = node("tr", body, {role: "row"});
        cells.forEach((value, i) => {
            const column = table.columns[i];
            const cell = node(i === 0 ? "th" : "td", row, {role: i === 0 ? "rowheader" : "cell",
                "data-name": column.name, class: column.is_number ? "number" : ""});
            if (i === 0) {
                cell.setAttribute("scope", "row");
            }
            if (value === NOTHING) {
                cell.classList.add("nothing");
            }
            fill_cell(cell, value);
        });
    }
    if (rows.length === 0) {
        node("td", node("tr", body, {role: "row", class: "none"}),
            {role: "cell", colspan: table.columns.length}).textContent = none;
    }
    table.tBodies[0].replaceWith(body);
}
