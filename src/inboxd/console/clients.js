// SPDX-License-Identifier: ISC
// The clients, by state and name, a part at a time.  The receiver's parts are as large as it likes,
// may be empty and name where the next one begins; here twenty rows are shown, and a part is asked
// for when its rows are wanted.

import * as figures from "./figures.js";
import * as tables from "./tables.js";

const ROWS = 20, PARTS = 50; // PARTS: that are asked for in a row, at most
const REST = 10; // times as long as the last look took, until the next one
export const STATES = [["missing", "missing items"], ["silent", "silent"], ["behind", "behind"],
    ["never-came", "never came"], ["up-to-date", "up to date"]];
const TROUBLED = "missing,silent,behind,never-came";
const KINDS = {"missing": "bad", "silent": "warn", "behind": "warn", "never-came": "warn",
    "up-to-date": "good"};

const $ = (id) => document.getElementById(id);

// Goes on with {known, next, now} until there are so many, or no more, or `is_over()`; parts may be
// empty with others behind them.  `path` says where the part from `next` is to be had.
export async function read_parts(ask, path, wanted, {known, next, now}, is_over = () => false) {
    for (let i = 0; i < PARTS && known.length < wanted && next !== null && !is_over(); i++) {
        const page = await ask(path(next));
        known = known.concat(page.clients);
        ({next, now} = page);
    }
    return {known, next, now};
}

export class Clients {
    // `ask` gets a page of the receiver.
    constructor(ask) {
        Object.assign(this, {ask, states: TROUBLED, match: "", first: 0, turn: 0, busy: false,
            rested: 0});
        this.forget();
        tables.begin($("rows"), [{name: "Client"}, {name: "State"}, {name: "Seen"},
            {name: "Waiting there", is_number: true}, {name: "Stored", is_number: true},
            {name: "Missing", is_number: true}, {name: "Set aside", is_number: true},
            {name: "Program"}]);
        tables.fill($("rows"), [], "…");
        this.buttons = [["Need attention", TROUBLED], ["All", ""],
            ...STATES.map(([state, word]) => [word[0].toUpperCase() + word.slice(1), state])]
            .map(([word, states]) => this.button(word, states));
        this.listen();
    }

    forget() {
        this.known = [];
        this.next = 0; // null: there are no more
    }

    button(word, states) {
        const button = $("states").appendChild(document.createElement("button"));
        button.type = "button";
        button.append(word + " ");
        button.count = button.appendChild(document.createElement("b"));
        button.addEventListener("click", () => {
            this.states = states;
            this.anew();
        });
        button.states = states;
        button.setAttribute("aria-pressed", String(states === this.states));
        return button;
    }

    listen() {
        let timer;
        $("match").addEventListener("input", () => {
            clearTimeout(timer);
            timer = setTimeout(() => {
                this.match = $("match").value.trim();
                this.anew();
            }, 250);
        });
        document.addEventListener("keydown", (event) => {
            if (event.key === "/" && !/^(INPUT|TEXTAREA)$/.test(event.target.tagName)) {
                event.preventDefault();
                $("match").focus();
            }
        });
        $("back").addEventListener("click", () => this.go(this.first - ROWS));
        $("on").addEventListener("click", () => this.go(this.first + ROWS));
    }

    // From /status.
    count(clients) {
        const counts = clients || {};
        const of = (states) => states.split(",").reduce((sum, state) =>
            sum + (counts[state] || 0), 0);
        const all = of(STATES.map(([state]) => state).join(","));
        const bar = STATES.map(([state]) => {
            const part = document.createElement("span");
            part.className = state;
            part.style.flexGrow = String(counts[state] || 0);
            return part;
        });

        for (const button of this.buttons) {
            button.count.textContent = counts.counted
                ? figures.count(button.states ? of(button.states) : all) : "";
        }
        $("bar").replaceChildren(...bar.filter((part) => part.style.flexGrow !== "0"));
        $("counted").textContent = counts.counted ? figures.several(all, "client") : "";
    }

    query(from) {
        const query = new URLSearchParams();
        if (from) {
            query.set("from", from);
        }
        if (this.states) {
            query.set("state", this.states);
        }
        if (this.match) {
            query.set("match", /[*?[]/.test(this.match) ? this.match : "*" + this.match + "*");
        }
        return query.size > 0 ? "clients?" + query : "clients";
    }

    anew() {
        for (const button of this.buttons) {
            button.setAttribute("aria-pressed", String(button.states === this.states));
        }
        this.forget();
        this.first = 0;
        this.go(0);
    }

    // Again what is shown, as it is now.
    async look() {
        const begun = Date.now();
        if (this.busy || begun < this.rested) {
            return;
        }
        this.forget();
        await this.go(this.first);
        this.rested = Date.now() + REST * (Date.now() - begun);
    }

    async go(first) {
        const turn = ++this.turn;
        this.busy = true;
        try {
            const known = await this.read(Math.max(0, first) + ROWS + 1, turn);
            if (known && turn === this.turn) {
                this.first = Math.max(0, first);
                this.show(known);
            }
        } catch (error) {
            if (turn === this.turn) {
                this.say_place(error.is_refusal ? error.message : "");
            }
        }
        if (turn === this.turn) {
            this.busy = false;
        }
    }

    // So many rows, or all there are; null: something else was wanted meanwhile.
    async read(wanted, turn) {
        const read = await read_parts(this.ask, (from) => this.query(from), wanted, this,
            () => turn !== this.turn);
        if (turn !== this.turn) {
            return null;
        }
        Object.assign(this, read);
        return read.known;
    }

    row(client) {
        const {now} = this;
        const waits = client.pending > 0 && client.pending_oldest;
        return [{text: client.identity, note: client.queue ? "queue " + client.queue.slice(0, 8)
                : "expected, has no queue"},
            {text: STATES.find(([state]) => state === client.state)?.[1] || client.state,
                kind: KINDS[client.state] || "warn"},
            client.connected ? {text: "connected", note: client.address}
                : {text: figures.ago(client.seen, now), note: client.address},
            !client.queue ? tables.NOTHING : {text: figures.count(client.pending),
                note: waits ? "for " + figures.span(now - client.pending_oldest) : ""},
            !client.queue ? tables.NOTHING : {text: figures.count(client.stored),
                note: client.last_stored ? figures.ago(client.last_stored, now) : ""},
            client.queue ? figures.count(client.missing) : tables.NOTHING,
            client.queue ? figures.count(client.failed) : tables.NOTHING,
            client.agent || tables.NOTHING];
    }

    // It is read out where it changes.
    say_place(text) {
        if ($("place").textContent !== text) {
            $("place").textContent = text;
        }
    }

    show(known) {
        const rows = known.slice(this.first, this.first + ROWS);
        const is_last = this.next === null && this.first + ROWS >= known.length;

        tables.fill($("rows"), rows.map((client) => this.row(client)),
            this.match ? "No client has such a name here."
                : this.states === TROUBLED ? "None: all clients are up to date." : "None.");
        this.say_place(rows.length === 0 ? "" : (this.first + 1) + " to " +
            (this.first + rows.length) + (this.next === null ? " of " + known.length : ""));
        $("back").disabled = this.first === 0;
        $("on").disabled = is_last;
    }
}
