"use strict";
// The review desk. What comes from a post is only ever set as text.

const token = document.querySelector("meta[name=token]").content;
const SLOT = /!\[image\]\((\d{1,3})\)/;
const SPAN = /(?<!`)(`+)(?!`)((?:(?!\n\s*\n)[^])*?[^`])\1(?!`)/;
const FIELDS = ["question", "category", "language", "reference_answer", "grading", "wrong_answers", "stub"];
const BETWEEN = /\n?^={5,}[ \t]*$\n?/m;
let overview = null;
let current = null;
let at = 0;
let last = Promise.resolve();

const byId = (id) => document.getElementById(id);
const field = (name) => byId(`edit-${name}`);

function make(tag, text, className) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  return element;
}

async function ask(path, body) {
  const options = body === undefined ? {} : {
    method: "POST",
    headers: { "content-type": "application/json", "x-desk-token": token },
    body: JSON.stringify(body),
  };
  const answer = await fetch(path, options);
  const value = await answer.json();
  if (!answer.ok) throw new Error(value.problem || `the desk answers ${answer.status}`);
  return value;
}

function say(text, isBad) {
  byId("said").textContent = text;
  byId("said").className = isBad ? "bad" : "";
}

/** A paragraph whose code spans are shown as code: between as many backticks on both sides, as CommonMark has it. */
function paragraph(text) {
  const element = make("p");
  const pieces = text.split(SPAN);  // prose, backticks, code, prose, …
  for (let place = 0; place < pieces.length; place += 3) {
    element.append(pieces[place]);
    if (place + 2 >= pieces.length) break;
    const code = pieces[place + 2].replace(/\n/g, " ");
    element.append(make("code", /^ .*[^ ].* $/.test(code) ? code.slice(1, -1) : code));
  }
  return element;
}

/** Markdown as a reader needs it here: code blocks and spans, pictures at their places, all else as it is written. */
function show(element, text, id) {
  element.replaceChildren();
  let code = null;
  let prose = [];
  const flush = () => {
    const pieces = prose.join("\n").split(SLOT);
    pieces.forEach((piece, number) => {
      if (number % 2) {
        const picture = make("img");
        picture.src = `/pictures/${encodeURIComponent(id)}/${Number(piece)}`;
        picture.alt = `picture ${piece}`;
        element.append(picture);
      } else if (piece.trim()) element.append(paragraph(piece.trim()));
    });
    prose = [];
  };
  for (const line of text.split("\n")) {
    const fence = line.match(/^(`{3,}|~{3,})/);
    if (code === null && fence) {
      flush();
      code = { mark: fence[1], lines: [] };
    } else if (code !== null && line.trim() === code.mark) {
      element.append(make("pre", code.lines.join("\n")));
      code = null;
    } else if (code !== null) code.lines.push(line);
    else prose.push(line);
  }
  if (code !== null) element.append(make("pre", code.lines.join("\n")));
  flush();
}

function written(name, value) {
  if (name === "grading") return JSON.stringify(value, null, 1);
  if (name === "wrong_answers") return value.join("\n=====\n");
  return value;
}

function read(name) {
  const text = field(name).value;
  if (name === "grading") {
    try { return JSON.parse(text); } catch (error) { throw new Error(`the grading is not JSON: ${error.message}`); }
  }
  if (name === "wrong_answers") return text.split(BETWEEN).map((one) => one.trim()).filter(Boolean);
  return text;
}

function changes() {
  const found = {};
  for (const name of FIELDS) {
    if (field(name).value !== written(name, current.record[name])) found[name] = read(name);
  }
  return found;
}

function mark() {
  for (const name of FIELDS) field(name).classList.toggle("changed", field(name).value !== written(name, current.record[name]));
}

function showOverview() {
  byId("reviewer").textContent = `reviewer: ${overview.reviewer}`;
  const done = overview.queue.filter((row) => row.verdict).length;
  byId("place").textContent = `${at + 1} of ${overview.queue.length}, ${done} judged`;
  byId("categories").replaceChildren(...Object.entries(overview.categories).map(([name, count]) =>
    make("span", `${name} ${count.accepted}/${count.wanted}`, count.accepted >= count.wanted ? "full" : "")));
}

async function showAgreement() {
  const found = await ask("/api/agreement");
  byId("agreement").textContent = found.map((one) =>
    `${one.reviewers.join(" & ")}: ${one.agreed} of ${one.both} alike, κ ${one.kappa === null ? "—" : one.kappa.toFixed(2)}`).join("; ");
}

async function open(place) {
  at = Math.max(0, Math.min(place, overview.queue.length - 1));
  current = await ask(`/api/candidate/${encodeURIComponent(overview.queue[at].id)}`);
  showOverview();
  byId("name").textContent = current.id;
  byId("verdict").textContent = current.verdict ? `${current.verdict}ed` : "";
  byId("verdict").className = current.verdict;
  byId("facts").textContent = `${current.facts.views ?? "?"} views, score ${current.facts.question_score ?? "?"}, answer ${current.facts.answer_score ?? "?"}; ${current.facts.tags ?? ""}; ${current.source.license}`;
  byId("needed").textContent = current.needed ? `Picture needed: ${current.needed}` : "";
  show(byId("question"), current.record.question, current.id);
  show(byId("answer"), current.record.reference_answer, current.id);
  byId("proposal").open = Boolean(current.paraphrase) && current.record.question === current.original;
  show(byId("paraphrase"), current.paraphrase || `None: ${current.paraphrase_problem || "no model was asked"}.`, current.id);
  for (const name of FIELDS) field(name).value = written(name, current.record[name]);
  byId("trial").replaceChildren(make("p", current.gates ? `The gates were ${current.gates}.` : "Not tried."));
  mark();
  document.activeElement.blur();
  window.scrollTo(0, 0);
}

async function decide(kind, reason = "") {
  overview = await ask("/api/decide", { id: current.id, kind, reason, changes: changes() });
  await showAgreement();
}

async function tryOut() {
  say("trying …");
  byId("trial").replaceChildren(make("p", "Running the grading in boxes …"));
  const found = await ask("/api/try", { id: current.id, changes: changes() });
  const table = make("table");
  table.append(row("th", "answer", "score", "how"));
  for (const one of found.answers) {
    const isBad = one.score === null || (one.name === "reference" ? one.score < 1 : one.name === "nothing" ? one.score > 0
      : one.name.startsWith("wrong") ? one.score > 0.5 : one.score > 0.4);
    const line = row("td", one.name, one.score === null ? "?" : one.score.toFixed(2), one.detail);
    line.children[1].className = isBad ? "bad" : "good";
    table.append(line);
  }
  const list = make("ul");
  for (const one of found.findings) list.append(make("li", `${one.check} ${one.where}: ${one.detail}`));
  for (const one of found.unavailable) list.append(make("li", `cannot be run here: ${one}`));
  byId("trial").replaceChildren(make("p", found.passes ? "All gates are passed." : "The gates find:"), list, table);
  byId("trial").scrollIntoView({ block: "center" });
  say(found.passes ? "the gates are passed" : `the gates find ${found.findings.length}`, !found.passes);
}

function row(tag, ...texts) {
  const line = make("tr");
  line.append(...texts.map((text) => make(tag, text)));
  return line;
}

function nextOpen() {
  const rows = overview.queue;
  for (let step = 1; step <= rows.length; step += 1) {
    const place = (at + step) % rows.length;
    if (!rows[place].verdict) return place;
  }
  return at;
}

function startRejecting() {
  byId("rejecting").hidden = false;
  byId("reason").value = "";
  byId("reason").focus();
}

const KEYS = {
  j: () => go(at + 1),
  ArrowRight: () => go(at + 1),
  k: () => go(at - 1),
  ArrowLeft: () => go(at - 1),
  n: () => go(nextOpen()),
  a: async () => { const { id } = current; await decide("accept"); await open(nextOpen()); say(`accepted ${id}`); },
  r: async () => startRejecting(),
  u: async () => { await keep(); await decide("undo"); await open(at); say("the verdict is taken back"); },
  g: tryOut,
  e: async () => field("grading").focus(),
  w: async () => field("question").focus(),
  p: async () => {
    if (!current.paraphrase) throw new Error("no words were proposed");
    field("question").value = current.paraphrase;
    await save();
  },
};

/** What was changed and not saved goes into the journal before another candidate is shown. */
async function keep() {
  if (Object.keys(changes()).length) await decide("edit");
}

async function go(place) {
  await keep();
  await open(place);
}

async function save() {
  await decide("edit");
  await open(at);
  say("saved");
}

/** One thing after another: keys that come faster than answers are not lost. */
function run(work) {
  last = last.then(work).catch((error) => say(error.message, true));
}

document.addEventListener("keydown", (event) => {
  const element = document.activeElement;
  const isTyping = ["TEXTAREA", "INPUT", "SELECT"].includes(element.tagName);
  if (event.key === "Escape") {
    byId("rejecting").hidden = true;
    element.blur();
  } else if (element.id === "reason") {
    const reason = overview.reasons[Number(event.key) - 1];
    if (event.key === "Enter") {
      event.preventDefault();
      run(async () => {
        const { id } = current;
        await decide("reject", element.value);
        byId("rejecting").hidden = true;
        await open(nextOpen());
        say(`rejected ${id}`);
      });
    } else if (!element.value && reason) {
      event.preventDefault();
      element.value = reason;
    }
  } else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    run(save);
  } else if (!isTyping && KEYS[event.key] && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    run(KEYS[event.key]);
  }
});
document.addEventListener("input", () => current && mark());

run(async () => {
  overview = await ask("/api/overview");
  overview.reasons.forEach((reason) => {
    byId("reasons-shown").append(make("li", reason));
    const option = make("option");
    option.value = reason;
    byId("reasons").append(option);
  });
  await showAgreement();
  if (overview.queue.length) await open(overview.queue[0].verdict ? nextOpen() : 0);
  else say("the queue is empty");
});
