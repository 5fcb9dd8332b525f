// SPDX-License-Identifier: ISC
// The console: asks the receiver's pages and shows what they say; nothing is asked while nobody
// looks.  Rates and latencies are of the last ten seconds: what changed between two pages.

import * as figures from "./figures.js";
import {Clients, read_parts} from "./clients.js";
import {Plot} from "./plots.js";
import * as tables from "./tables.js";

const EVERY = 2000, PATIENCE = 8000, WINDOW = 10000; // milliseconds
const GAPS_SHOWN = 12, DAY = 86400;

const $ = (id) => document.getElementById(id);
const state = {pages: [], problems: null, heard: null, missing: null, timer: null,
    is_asking: false};

// ---- asking

class Refusal extends Error {
    is_refusal = true;
}

async function ask(path) {
    const answer = await fetch(path, {signal: AbortSignal.timeout(PATIENCE), cache: "no-store"});
    if (!answer.ok) {
        throw new Refusal((await answer.text()).trim());
    }
    return answer.json();
}

// ---- what is wrong

function show_state(page) {
    const words = {running: "good", paused: "warn", draining: "warn"};
    const pill = $("state");
    const text = {running: "running", paused: "paused: takes nothing", draining: "stopping"};

    pill.textContent = text[page.state] || page.state;
    pill.className = "pill " + (words[page.state] || "warn");
    $("host").textContent = page.host ? page.host : "";
    $("since").textContent = "up " + figures.span(page.now - page.since);
    $("about").textContent = `inboxd ${page.version}, process ${page.pid}, since ` +
        new Date(page.since * 1000).toLocaleString([], {hour12: false}) + "; " +
        (page.sandbox || "no sandbox") + ".";
}

// Only when they change, so that they are read out once.
function show_problems(page) {
    const told = JSON.stringify(page.problems);
    const worst = page.problems.some(({severity}) => severity === "critical") ? "critical"
        : page.problems.length > 0 ? "warning" : "fine";

    if (told === state.problems) {
        return;
    }
    state.problems = told;
    document.body.dataset.worst = worst;
    document.title = (worst === "fine" ? "" : page.problems.length + " · ") + "inboxd" +
        (page.host ? " " + page.host : "");
    $("problems").replaceChildren(...(page.problems.length === 0
        ? [problem("fine", "", "Nothing is wrong.")]
        : page.problems.map(({severity, name, text}) => problem(severity, name, text))));
}

function problem(severity, name, text) {
    const line = document.createElement("p");
    const head = line.appendChild(document.createElement("b"));
    line.className = "problem " + severity;
    head.textContent = severity === "fine" ? "" : severity;
    line.append(text[0].toUpperCase() + text.slice(1));
    if (name) {
        line.appendChild(document.createElement("code")).textContent = name;
    }
    return line;
}

// ---- figures

const plots = {
    rate: new Plot($("plot-rate"), "Items stored a second", [""], figures.rate),
    ack: new Plot($("plot-ack"), "Time to the acknowledgement", ["p50", "p99"], figures.took),
    batch: new Plot($("plot-batch"), "Items a sync", [""], figures.rate),
    lag: new Plot($("plot-lag"), "Time to the folder", ["p50", "p99"], figures.took),
};

// The page that is the window's length older than this one; null: there is none of this run.
function older(page) {
    const {pages} = state;
    if (pages.length > 0 && (pages[0].since !== page.since || pages[0].pid !== page.pid)) {
        pages.length = 0;
    }
    pages.push(page);
    while (pages.length > 2 && pages[1].heard <= page.heard - WINDOW) {
        pages.shift();
    }
    return pages.length > 1 ? pages[0] : null;
}

function changes(before, page) {
    const of = (which) => [before.histograms[which], page.histograms[which]];
    const seconds = (page.heard - before.heard) / 1000;
    const ack = of("inboxd_acknowledge_seconds"), lag = of("inboxd_publish_lag_seconds");
    return {
        rate: [(page.items.stored - before.items.stored) / seconds],
        bytes: (page.counters.inboxd_stored_bytes_total -
            before.counters.inboxd_stored_bytes_total) / seconds,
        syncs: (page.counters.inboxd_syncs_total - before.counters.inboxd_syncs_total) / seconds,
        ack: [figures.quantile(...ack, 0.5), figures.quantile(...ack, 0.99)],
        batch: [figures.mean(...of("inboxd_batch_items"))],
        lag: [figures.quantile(...lag, 0.5), figures.quantile(...lag, 0.99)],
    };
}

function show_figures(page) {
    const before = older(page);
    const now = before ? changes(before, page)
        : {rate: [null], ack: [null, null], batch: [null], lag: [null, null]};

    $("rate").textContent = figures.rate(now.rate[0]);
    $("ack").textContent = figures.took(now.ack[0]);
    $("batch").textContent = figures.rate(now.batch[0]);
    $("lag").textContent = figures.took(now.lag[0]);
    if (!before) {
        return;
    }
    $("rate-more").textContent = figures.bytes(now.bytes) + " a second";
    $("ack-more").textContent = figures.took(now.ack[1]);
    $("batch-more").textContent = figures.rate(now.syncs) + " syncs a second";
    $("lag-more").textContent = figures.took(now.lag[1]);
    for (const name of Object.keys(plots)) {
        plots[name].add(Date.now(), now[name]);
    }
}

function show_counts(page) {
    const {items, gauges} = page;
    const rows = [["Connections", figures.count(gauges.inboxd_connections)],
        ["In flight", figures.count(items.in_flight)],
        ["Stored", figures.count(items.stored)], ["Sent again", figures.count(items.again)],
        ["Told later", figures.count(figures.total(items.later))],
        ["Refused", figures.count(figures.total(items.refused))],
        ["Cut off", figures.count(items.cut_off)],
        ["On their way", figures.count(gauges.inboxd_unpublished_items)],
        ["Free on the disk", figures.bytes(gauges.inboxd_free_bytes)]];

    $("counts").replaceChildren(...rows.map(([name, text]) => {
        const pair = document.createElement("div");
        pair.appendChild(document.createElement("dt")).textContent = name;
        pair.appendChild(document.createElement("dd")).textContent = text;
        return pair;
    }));
}

// ---- certificates

tables.begin($("papers"), [{name: "Which"}, {name: "Until"}, {name: "Left", is_number: true}]);

function show_papers(page) {
    const rows = [["certificate", "The receiver’s own"], ["ca", "Clients’ CA"],
        ["crl", "Revocation list"]].map(([kind, name]) => {
        const until = page.gauges[`inboxd_${kind}_expiry_timestamp_seconds`];
        const issued = page.gauges[`inboxd_${kind}_issued_timestamp_seconds`];
        if (!until) {
            return null;
        }
        const left = until - page.now, days = Math.floor(left / DAY);
        const soon = left < Math.min(14 * DAY, (until - issued) / 3);
        const text = left <= 0 ? "over" : days > 1 ? figures.several(days, "day")
            : figures.span(left);
        return [name, new Date(until * 1000).toLocaleDateString([], {year: "numeric",
            month: "short", day: "numeric"}),
        {text, kind: left < 3 * DAY && soon ? "bad" : soon ? "warn" : "good"}];
    });
    tables.fill($("papers"), rows.filter((row) => row), "None is known yet.");
}

// ---- inboxes

tables.begin($("inboxes"), [{name: "Inbox"}, {name: "State"}, {name: "Waiting", is_number: true},
    {name: "Bytes", is_number: true}, {name: "Oldest", is_number: true},
    {name: "Claimed", is_number: true}, {name: "Stored", is_number: true},
    {name: "Last stored", is_number: true}]);
tables.fill($("inboxes"), [], "…");

function state_of(inbox, now) {
    if (inbox.error) {
        return {text: "unreadable", kind: "bad", note: inbox.error};
    }
    if (inbox.paused || inbox.paused_all) {
        return {text: "paused", kind: "warn", note: !inbox.paused ? "with all others"
            : [inbox.paused.reason, figures.span(now - inbox.paused.since)].filter((part) => part)
                .join(", ")};
    }
    return inbox.over_limit ? {text: "full", kind: "bad", note: "new items are told later"}
        : {text: "takes items", kind: "good"};
}

function show_inboxes(page) {
    tables.fill($("inboxes"), page.inboxes.map((inbox) => [
        {text: inbox.name, note: inbox.suffix}, state_of(inbox, page.now),
        {text: figures.count(inbox.waiting),
            note: inbox.limit_items ? "of " + figures.count(inbox.limit_items) : "",
            part: inbox.limit_items ? inbox.waiting / inbox.limit_items : null},
        {text: figures.bytes(inbox.waiting_bytes),
            note: inbox.limit_bytes ? "of " + figures.bytes(inbox.limit_bytes) : "",
            part: inbox.limit_bytes ? inbox.waiting_bytes / inbox.limit_bytes : null},
        inbox.oldest ? figures.span(page.now - inbox.oldest) : tables.NOTHING,
        figures.count(inbox.claimed), {text: figures.count(inbox.stored_total),
            note: figures.bytes(inbox.stored_bytes_total)},
        figures.ago(inbox.last_stored, page.now)]), "There is no inbox.");
}

// ---- gaps

tables.begin($("gaps"), [{name: "Client"}, {name: "Numbers"}, {name: "Since", is_number: true},
    {name: "Confirmed"}]);
tables.fill($("gaps"), [], "…");

// Those of clients that miss something which nobody has confirmed.
async function look_at_gaps() {
    const none = {known: [], next: null, now: null};
    show_gaps(state.missing === 0 ? none : await read_parts(ask,
        (from) => "clients?state=missing" + (from ? "&from=" + from : ""), GAPS_SHOWN,
        {...none, next: 0}));
}

function show_gaps(page) {
    const all = page.known.flatMap((client) => client.gaps.map((gap) => ({client, gap})));
    const rows = all.slice(0, GAPS_SHOWN).map(({client, gap}) => [
        {text: client.identity, note: "queue " + String(client.queue).slice(0, 8)},
        {text: gap.first === gap.last ? figures.count(gap.first)
            : figures.count(gap.first) + " – " + figures.count(gap.last),
        note: gap.missing < gap.last - gap.first + 1 ? gap.missing + " of these" : ""},
        figures.ago(gap.since, page.now),
        gap.known ? {text: "yes", kind: "good"} : {text: "no", kind: "bad"}]);
    const more = all.length - rows.length;

    tables.fill($("gaps"), rows, "None: every number that clients have settled was stored or " +
        "skipped.");
    $("gaps-head").textContent = "Missing numbers" +
        (more > 0 || page.next !== null ? ": the first " + rows.length : "");
}

// ---- the round

const clients = new Clients(ask);

// The pages that are asked for less often: {path, every so many rounds, what is done with it}.
const others = [
    {every: 2, look: async () => show_inboxes(await ask("inboxes"))},
    {every: 5, look: () => clients.look()},
    {every: 5, look: look_at_gaps},
];
let round = 0;

function heard(page) {
    state.heard = Date.now();
    page.heard = performance.now();
    state.missing = page.gauges.inboxd_gaps_unknown;
    document.body.className = "";
    $("silence").hidden = true;
    $("fresh").textContent = "as of " + figures.clock(page.now);
    show_state(page);
    show_problems(page);
    show_figures(page);
    show_counts(page);
    show_papers(page);
    clients.count(page.clients);
}

function not_heard() {
    const line = $("silence");
    document.body.className = "deaf";
    state.problems = null;
    line.textContent = state.heard === null ? "The receiver does not answer."
        : "The receiver has not answered since " + figures.clock(state.heard / 1000) +
            ": what stands below is of then.";
    line.hidden = false;
    $("fresh").textContent = "no answer";
}

async function look_at_all() {
    heard(await ask("status"));
    for (const {every, look} of others) {
        if (round % every === 0) {
            await look().catch(() => {});
        }
    }
    round++;
}

// One at a time: the next one begins when this one is over and somebody looks.
async function go_round() {
    if (state.is_asking || document.hidden) {
        return;
    }
    state.is_asking = true;
    await look_at_all().catch(not_heard);
    state.is_asking = false;
    clearTimeout(state.timer);
    state.timer = setTimeout(go_round, EVERY);
}

document.addEventListener("visibilitychange", go_round);
go_round();
