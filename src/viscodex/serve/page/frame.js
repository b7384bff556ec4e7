// A page in a frame that reaches nothing. The next one is shown when it is drawn, so that nothing flickers meanwhile.

import { post } from "./api.js";

export class Frame {
  constructor(root, link) {
    this.root = root;
    this.link = link;
    this.shown = null;
    this.next = null;
    this.key = "";
    this.width = 0;
    new ResizeObserver(() => this.#fit()).observe(root);
  }

  /** Show a page; `width`: of its window, 0 for as wide as the frame. */
  async show(code, { scripts = false, width = 0 } = {}) {
    this.width = width;
    this.#fit();
    const key = `${scripts} ${code}`;
    if (key === this.key) return;
    this.key = key;
    const { path } = await post("/playground/preview", { code, scripts });
    if (key !== this.key) return;
    this.next?.remove();
    const frame = document.createElement("iframe");
    frame.sandbox = scripts ? "allow-scripts" : "";
    frame.referrerPolicy = "no-referrer";
    frame.title = "the page";
    frame.style.visibility = "hidden";
    frame.addEventListener("load", () => this.#swap(frame), { once: true });
    frame.src = path;
    this.next = frame;
    this.root.append(frame);
    this.link.href = path;
    this.#fit();
  }

  clear() {
    this.key = "";
    this.root.replaceChildren();
    this.shown = this.next = null;
  }

  #swap(frame) {
    if (frame !== this.next) return;
    this.shown?.remove();
    frame.style.visibility = "";
    [this.shown, this.next] = [frame, null];
  }

  #fit() {
    const { clientWidth, clientHeight } = this.root;
    const width = this.width || clientWidth;
    const scale = width > clientWidth ? clientWidth / width : 1;
    for (const frame of this.root.children) {
      frame.style.width = `${width}px`;
      frame.style.height = `${clientHeight / scale}px`;
      frame.style.transform = scale === 1 ? "" : `scale(${scale})`;
      frame.style.left = `${Math.max(0, (clientWidth - width * scale) / 2)}px`;
    }
  }
}
