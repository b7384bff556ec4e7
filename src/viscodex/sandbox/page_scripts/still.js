// Wait for fonts, hold everything that moves, and measure the full page in CSS pixels. Runs in a world of its own.
// Finite animations and transitions jump to their end, endless ones to their beginning (as Playwright's
// animations="disabled" has it), SVG animations to a fixed second. What moves by itself and cannot be held is replaced:
// a marquee by a block with its text, a progress bar without a value by an empty one.
// Form fields named `body` or `fonts` hide the document's own properties, so these are read from the prototype.
async () => {
  const own = (name) => Object.getOwnPropertyDescriptor(Document.prototype, name).get.call(document);
  const SECOND = 10;

  const restless = [];
  const roots = (root, found = []) => {
    found.push(root);
    const walker = Document.prototype.createTreeWalker.call(document, root, NodeFilter.SHOW_ELEMENT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      if (node.shadowRoot instanceof ShadowRoot) roots(node.shadowRoot, found);
      if (node instanceof SVGSVGElement && !node.ownerSVGElement) {
        node.pauseAnimations();
        node.setCurrentTime(SECOND);
      } else if (node instanceof HTMLMarqueeElement || node instanceof HTMLProgressElement) {
        restless.push(node);
      } else if (node instanceof HTMLMediaElement) {
        node.pause();
      }
    }
    return found;
  };

  const hold = (root) => {
    const all = root instanceof ShadowRoot ? root.getAnimations() : Document.prototype.getAnimations.call(root);
    for (const animation of all) {
      if (!animation.effect || animation.playbackRate === 0) continue;
      try {
        if (Number.isFinite(animation.effect.getComputedTiming().endTime)) animation.finish();
        else animation.cancel();
      } catch {}
    }
  };

  const fonts = Object.getOwnPropertyDescriptor(Document.prototype, "fonts").get.call(document).ready;
  await Promise.race([fonts, new Promise((resolve) => setTimeout(resolve, 5000))]);
  // A finished animation may start another (events, :has()); three rounds are more than real pages need.
  const held = roots(document);
  for (let round = 0; round < 3; round++) held.forEach(hold);
  for (const node of restless) {
    if (node instanceof HTMLProgressElement) {
      if (node.position < 0) node.value = 0;
      continue;
    }
    const block = Document.prototype.createElement.call(document, "div");
    for (const { name, value } of node.attributes) block.setAttribute(name, value);
    block.append(...node.childNodes);
    node.replaceWith(block);
  }
  const focused = own("activeElement");
  if (focused?.style) focused.style.setProperty("caret-color", "transparent", "important");

  const html = own("documentElement"), body = own("body");
  const size = (...names) => Math.max(0, ...names.flatMap((name) => [html?.[name] ?? 0, body?.[name] ?? 0]));
  return {
    width: size("scrollWidth", "offsetWidth", "clientWidth"),
    height: size("scrollHeight", "offsetHeight", "clientHeight"),
  };
}
