// One model's answers: versions of its code, what they became, and how that differs from what was wanted.

import { chat, post, Problem } from "./api.js";
import { codeSoFar, SUFFIX } from "./code.js";
import { Frame } from "./frame.js";

const LIVE_MS = 700; // between two looks at a page that is being written
const WITHOUT_PICTURE = 1280;
const ROOM_FOR_BOTH = 800; // pixels in which code and preview stand side by side
const COMPARED = ["html", "chart"];

export class Panel {
  /** `mend(words)`: suggest a follow-up. */
  constructor(model, mend) {
    const section = document.getElementById("panel").content.firstElementChild.cloneNode(true);
    this.root = section;
    this.model = model;
    this.mend = mend;
    this.versions = [];
    this.shown = null;
    this.tab = "code";
    this.hasChosen = false;
    this.find = (selector) => section.querySelector(selector);
    this.find(".name").textContent = model;
    this.frame = new Frame(this.find(".frames"), this.find(".open"));
    this.#listen();
    this.#select("code");
    new ResizeObserver(() => this.#arrange()).observe(section);
  }

  /** Ask for a new version, from the one that is shown, until it is written; what it becomes is shown when it is known.
   *  `order`: {asked, kind, picture, settings, isFirst}. */
  async write(order, signal) {
    const parent = order.isFirst ? null : this.shown;
    const version = { ...order, parent, text: "", code: "", state: "writing", problem: "", ran: null, tokens: 0 };
    version.began = performance.now();
    this.versions.push(version);
    this.hasChosen = false;
    this.show(version);
    this.#select("code");
    await this.#read(version, signal);
    version.seconds = (performance.now() - version.began) / 1000;
    this.#update(version);
    if (version.text) this.run(version, { runs: version.kind === "html" || version.state === "done" });
  }

  /** Find the code of a version's answer, run it if wanted, and show what became of it. */
  async run(version, { runs = true } = {}) {
    version.isRunning = runs && version.kind !== "qa";
    this.#update(version);
    const picture = COMPARED.includes(version.kind) ? version.picture?.uri : undefined;
    try {
      version.ran = await post("/playground/run", { kind: version.kind, answer: version.text, picture, runs });
      version.code = version.ran.code || version.code;
      if (!version.ran.code && version.state === "done") version.problem = "The answer holds no code; this is its text.";
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      version.problem ||= error.message;
    }
    version.isRunning = false;
    this.#update(version);
    const hasMore = version.kind === "html" || version.ran?.picture || version.ran?.output;
    if (!this.hasChosen && this.shown === version && hasMore && !version.problem) this.#select("preview");
  }

  show(version) {
    this.shown = version;
    this.frame.clear();
    this.#update(version);
  }

  async #read(version, signal) {
    try {
      for await (const piece of chat({ model: this.model, messages: messages(version), ...version.settings }, signal)) {
        version.text += piece.text;
        version.tokens = piece.usage?.completion_tokens ?? version.tokens + (piece.text ? 1 : 0);
        version.finish = piece.finish || version.finish;
        version.code = codeSoFar(version.text, version.kind);
        this.#soon(version);
      }
      version.state = "done";
      if (version.finish === "length") version.note = "cut off at the longest answer";
    } catch (error) {
      const isStopped = error.name === "AbortError";
      version.state = isStopped ? "stopped" : "failed";
      if (!isStopped) version.problem = error instanceof Problem ? error.message : `The page met a fault: ${error}`;
    }
  }

  /** Drawn at most once a frame, however fast pieces come. */
  #soon(version) {
    if (this.isWaiting) return;
    this.isWaiting = true;
    requestAnimationFrame(() => {
      this.isWaiting = false;
      this.#update(version);
    });
  }

  #update(version) {
    if (version !== this.shown) return;
    this.root.classList.toggle("busy", version.state === "writing" || Boolean(version.isRunning));
    this.find(".state").textContent = told(version);
    this.#showVersions();
    const problem = version.problem || reason(version.ran);
    this.find(".problem").hidden = !problem;
    this.find(".problem span").textContent = problem;
    this.find(".mend").hidden = !(version.ran && version.ran.status !== "ok" && version.ran.reason);
    this.#showCode(version);
    this.#showResult(version);
    this.#showDifference(version);
    for (const name of [".copy", ".save"]) this.find(name).disabled = !version.code;
  }

  #showCode(version) {
    const view = this.find('[data-view="code"]');
    const isAtEnd = view.scrollHeight - view.scrollTop - view.clientHeight < 40;
    this.find("code").textContent = version.code;
    if (version.state !== "writing") return;
    if (isAtEnd) view.scrollTop = view.scrollHeight;
  }

  #showResult(version) {
    const isPage = version.kind === "html";
    for (const name of [".frames", ".width", ".scripts", ".open"]) {
      const part = this.find(name);
      (part.closest("label") ?? part).hidden = !isPage || !version.code;
    }
    this.find(".again").hidden = isPage || version.kind === "qa" || version.state === "writing";
    this.find(".again").disabled = Boolean(version.isRunning);
    const picture = isPage ? "" : (version.ran?.picture ?? "");
    this.find(".result").hidden = !picture;
    if (picture) this.find(".result").src = picture;
    this.find(".output").hidden = !version.ran?.output;
    this.find(".output").textContent = version.ran?.output ?? "";
    const isEmpty = isPage ? !version.code : !picture && !version.ran?.output;
    this.find('[data-view="preview"] .nothing').textContent = isEmpty ? nothing(version) : "";
    if (isPage && version.code && !this.find('[data-view="preview"]').hidden) this.#showPage(version);
  }

  #showPage(version) {
    const isWriting = version.state === "writing";
    const now = performance.now();
    if (isWriting && now - (this.looked ?? 0) < LIVE_MS) return;
    this.looked = now;
    const chosen = this.find(".width").value;
    const width = chosen === "picture" ? (version.picture?.width ?? WITHOUT_PICTURE) : Number(chosen) || 0;
    const scripts = this.find(".scripts").checked && !isWriting;
    this.frame.show(version.code, { scripts, width }).catch((error) => {
      version.problem ||= error.message;
      this.find(".problem").hidden = false;
      this.find(".problem span").textContent = version.problem;
    });
  }

  #showDifference(version) {
    const wanted = COMPARED.includes(version.kind) ? version.picture?.uri : "";
    const made = version.ran?.picture;
    const isThere = Boolean(wanted && made);
    for (const part of this.find('[data-view="compare"]').children) part.hidden = !isThere;
    const words = this.find('[data-view="compare"] .nothing');
    words.hidden = isThere;
    words.textContent = wanted ? nothing(version) : "There is a difference to look at when a page or a chart was made from a picture.";
    if (!isThere) return;
    this.find(".wanted img").src = wanted;
    this.find(".made img").src = made;
    const alike = version.ran.similarity;
    this.find(".alike").textContent = alike === null ? "" : `${(100 * alike).toFixed(1)} % alike`;
    this.find(".boxes").replaceChildren(...version.ran.regions.map(box));
    this.#setMode();
  }

  #setMode() {
    const isFaded = this.find(".mode").value === "fade";
    this.find(".pair").classList.toggle("fade", isFaded);
    this.find(".pair").classList.toggle("sides", !isFaded);
    this.find("label.fade").hidden = !isFaded;
    this.find(".made img").style.opacity = isFaded ? this.find(".amount").value / 100 : 1;
    this.find(".boxes").hidden = !this.find(".mark").checked;
  }

  #showVersions() {
    const row = this.find(".versions");
    row.hidden = this.versions.length < 2;
    row.replaceChildren(
      ...this.versions.map((version, index) => {
        const words = version.isFirst ? `${index + 1}` : `${index + 1}: ${version.asked}`;
        const button = Object.assign(document.createElement("button"), { type: "button", textContent: words });
        button.title = version.asked;
        button.setAttribute("aria-pressed", String(version === this.shown));
        button.addEventListener("click", () => this.show(version));
        return button;
      }),
    );
  }

  #select(tab) {
    this.tab = tab;
    for (const button of this.root.querySelectorAll("[role=tab]")) {
      const isChosen = button.dataset.tab === tab;
      button.setAttribute("aria-selected", String(isChosen));
      button.tabIndex = isChosen ? 0 : -1;
    }
    this.looked = 0;
    this.#arrange();
    if (this.shown) this.#update(this.shown);
  }

  /** Which views are seen: that of the tab, and beside a page's code the page itself, where there is room. */
  #arrange() {
    const hasRoom = this.root.clientWidth >= ROOM_FOR_BOTH && this.shown?.kind === "html";
    const isSplit = this.tab === "code" && hasRoom;
    this.root.classList.toggle("split", isSplit);
    for (const view of this.root.querySelectorAll("[data-view]")) {
      view.hidden = view.dataset.view !== this.tab && !(isSplit && view.dataset.view === "preview");
    }
  }

  #listen() {
    const tabs = [...this.root.querySelectorAll("[role=tab]")];
    tabs.forEach((button, index) => {
      button.addEventListener("click", () => {
        this.hasChosen = true;
        this.#select(button.dataset.tab);
      });
      button.addEventListener("keydown", (event) => {
        const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (!step) return;
        const next = tabs[(index + step + tabs.length) % tabs.length];
        next.click();
        next.focus();
      });
    });
    for (const name of [".width", ".scripts"]) this.find(name).addEventListener("change", () => this.#update(this.shown));
    for (const name of [".mode", ".mark", ".amount"]) this.find(name).addEventListener("input", () => this.#setMode());
    this.find(".again").addEventListener("click", () => this.run(this.shown));
    this.find(".mend").addEventListener("click", () => this.mend(`That does not work:\n${this.shown.ran.reason}\nCorrect it.`));
    this.find(".copy").addEventListener("click", () => this.#copy());
    this.find(".save").addEventListener("click", () => this.#save());
  }

  async #copy() {
    const button = this.find(".copy");
    try {
      await navigator.clipboard.writeText(this.shown.code);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(this.find("code"));
      button.textContent = "Selected";
    }
    setTimeout(() => (button.textContent = "Copy"), 1500);
  }

  #save() {
    const { code, kind, picture } = this.shown;
    const name = (picture?.name ?? "answer").replace(/\.\w+$/, "") + SUFFIX[kind];
    const url = URL.createObjectURL(new Blob([code + "\n"], { type: "text/plain" }));
    Object.assign(document.createElement("a"), { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  }
}

/** The conversation that asks for a version. */
function messages(version) {
  if (!version.parent) {
    const text = { type: "text", text: version.asked };
    const picture = version.picture && { type: "image_url", image_url: { url: version.picture.uri } };
    return [{ role: "user", content: picture ? [picture, text] : [text] }];
  }
  const { code, text } = version.parent;
  const answer = version.kind !== "qa" && code ? "```\n" + code + "\n```" : text;
  return [...messages(version.parent), { role: "assistant", content: answer }, { role: "user", content: version.asked }];
}

function told(version) {
  const seconds = version.seconds ?? (performance.now() - version.began) / 1000;
  const facts = [`${version.tokens} tokens`, `${seconds.toFixed(1)} s`];
  if (version.state === "writing") return `writing: ${facts.join(", ")}`;
  if (version.isRunning) return version.kind === "html" ? "drawing it in the sandbox" : "running it in the sandbox";
  if (version.state !== "done") facts.unshift(version.state);
  if (version.note) facts.push(version.note);
  return facts.join(", ");
}

function reason(ran) {
  if (!ran || ran.status === "not_run" || (ran.status === "ok" && !ran.reason)) return "";
  if (ran.status === "ok") return ran.reason;
  return `It does not work (${ran.status.replaceAll("_", " ")}): ${ran.reason}`;
}

function nothing(version) {
  if (version.state === "writing") return "It is still being written.";
  if (version.isRunning) return "It runs in the sandbox now.";
  if (version.kind === "qa") return "Answers to questions are not run.";
  return version.ran?.status === "ok" ? "It ran, and made neither a picture nor a word." : "There is nothing to show.";
}

function box([left, top, right, bottom]) {
  const found = document.createElement("div");
  const percent = { left, top, width: right - left, height: bottom - top };
  for (const [name, value] of Object.entries(percent)) found.style[name] = `${100 * value}%`;
  return found;
}
