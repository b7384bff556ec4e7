// What is asked, of whom, and when it stops.

import { get, key, post, Problem } from "./api.js";
import { Panel } from "./panel.js";
import * as picture from "./picture.js";

const element = (id) => document.getElementById(id);
const KINDS = { html: "a web page", chart: "a chart", algorithm: "a program", qa: "a question" };
const USUAL_SHOWN = 60; // characters of the usual instruction; all of it is in the tooltip
const THEMES = ["system", "light", "dark"];
const page = { about: null, picture: null, panels: [], stopping: null };

async function begin() {
  try {
    page.about = await get("/playground/about");
  } catch (error) {
    if (error.status === 401) return askForKey();
    return complain(error);
  }
  element("key").hidden = !page.about.needs_key;
  const { models, samples, limits } = page.about;
  fill(element("model"), models);
  fill(element("second"), ["", ...models], "no other");
  element("models").hidden = models.length < 2;
  element("tokens").value = limits.tokens;
  element("tokens").max = limits.tokens;
  element("samples").replaceChildren(...samples.map(sampleButton));
  suggest();
}

function fill(select, names, empty = "") {
  const options = names.map((name) => new Option(name || empty, name));
  select.replaceChildren(...options);
}

function sampleButton(sample) {
  const button = Object.assign(document.createElement("button"), { type: "button" });
  const shown = Object.assign(document.createElement("img"), { src: `/playground/samples/${sample.name}.png`, alt: "" });
  button.append(shown, sample.title);
  button.addEventListener("click", async () => {
    element("prompt").value = sample.prompt;
    const blob = await (await fetch(shown.src)).blob();
    await take(new File([blob], `${sample.name}.png`, { type: "image/png" }), sample.kind);
  });
  return button;
}

// the picture

async function take(file, kind = "") {
  complain(null);
  try {
    show(await picture.read(file, page.about.limits));
    page.picture.kind = kind || (await post("/playground/look", { picture: page.picture.uri })).kind;
    suggest();
  } catch (error) {
    complain(error);
  }
}

function show(taken) {
  page.picture = taken;
  element("picture").hidden = element("facts-row").hidden = !taken;
  element("drop-words").hidden = Boolean(taken);
  if (taken) element("picture").src = taken.uri;
  else element("picture").removeAttribute("src");
  suggest();
}

/** The kind that was chosen, or else seen, or else a question. */
function kind() {
  const chosen = document.querySelector("[name=kind]:checked").value;
  return chosen || (page.picture ? (page.picture.kind ?? "html") : "qa");
}

function suggest() {
  if (!page.about) return;
  const usual = page.about.prompts[kind()];
  element("prompt").placeholder = page.picture ? `${usual.slice(0, USUAL_SHOWN)} …` : "Ask for something";
  element("prompt").title = page.picture ? usual : "";
  if (!page.picture) return;
  const { name, width, height } = page.picture;
  const seen = page.picture.kind ? `, looks like ${KINDS[page.picture.kind]}` : "";
  element("facts").textContent = `${name}, ${width} × ${height}${seen}`;
}

// asking

async function write(event) {
  event?.preventDefault();
  if (page.stopping) return;
  complain(null);
  const asked = element("prompt").value.trim() || (page.picture ? page.about.prompts[kind()] : "");
  if (!asked) return complain(new Problem("There is neither a picture nor a word to go by."));
  const second = element("second").value;
  const names = [element("model").value, ...(second ? [second] : [])];
  page.panels = names.map((name) => new Panel(name, suggestFollowUp));
  element("answers").replaceChildren(...page.panels.map((panel) => panel.root));
  element("answers").classList.toggle("two", names.length > 1);
  element("empty").hidden = true;
  await ask({ asked, kind: kind(), picture: page.picture, settings: settings(), isFirst: true });
}

async function revise(event) {
  event?.preventDefault();
  const asked = element("words").value.trim();
  if (page.stopping || !asked) return element("words").focus();
  element("words").value = "";
  const { kind, picture } = page.panels[0].shown;
  await ask({ asked, kind, picture, settings: settings(), isFirst: false });
}

async function ask(order) {
  page.stopping = new AbortController();
  setBusy(true);
  element("answers").scrollIntoView({ block: "nearest" });
  if (innerWidth <= 820) element("answers").scrollIntoView();
  await Promise.allSettled(page.panels.map((panel) => panel.write(order, page.stopping.signal)));
  page.stopping = null;
  setBusy(false);
}

function stop() {
  page.stopping?.abort();
}

function setBusy(isBusy) {
  element("write").disabled = element("revise").disabled = isBusy;
  element("stop").disabled = !isBusy;
  element("follow").hidden = isBusy && page.panels.every((panel) => panel.versions.length < 2);
}

function settings() {
  const seed = element("seed").value;
  return {
    temperature: Number(element("temperature").value),
    max_tokens: Math.max(1, Number(element("tokens").value) || page.about.limits.tokens),
    ...(seed === "" ? {} : { seed: Number(seed) }),
  };
}

function suggestFollowUp(words) {
  element("words").value = words;
  element("words").focus();
}

// around it

function complain(error) {
  if (error?.status === 401) askForKey();
  element("ask-problem").hidden = !error;
  element("ask-problem").textContent = error?.message ?? "";
}

function askForKey() {
  element("key").hidden = false;
  element("key-text").value = key.get();
  element("key-dialog").showModal();
}

function setTheme(name) {
  document.documentElement.dataset.theme = name;
  localStorage.setItem("viscodex theme", name);
  element("theme").textContent = `Theme: ${name}`;
}

picture.listen(element("drop"), element("file"), (file) => take(file));
element("ask").addEventListener("submit", write);
element("follow").addEventListener("submit", revise);
element("stop").addEventListener("click", stop);
element("remove").addEventListener("click", () => show(null));
element("key").addEventListener("click", askForKey);
element("key-dialog").addEventListener("close", () => {
  if (element("key-dialog").returnValue !== "save") return;
  key.set(element("key-text").value.trim());
  complain(null);
  begin();
});
element("theme").addEventListener("click", () => {
  setTheme(THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length]);
});
for (const radio of document.querySelectorAll("[name=kind]")) radio.addEventListener("change", suggest);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") stop();
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  if (event.target === element("words")) revise();
  else write();
});
element("words").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  revise();
});
setTheme(localStorage.getItem("viscodex theme") ?? "system");
begin();
