// Paints every text element of the live page in a colour of its own, on nothing, and tells which texts it holds.
// The settings: `owners`, whether elements that own text are painted beside TAGS; `shift`, what is added to every
// channel, modulo 256; `part`, which 4,096 of the elements have colours (the others are black, which is found nowhere);
// `written`, the page's source and a copy with its text elements numbered in `attribute`: where a browser makes the same of
// both, a paint without owners numbers its elements so, also those that the browser has moved or doubled; `ifAnother`,
// whether nothing is painted (the answer is false) where the paint before this one will do, or has found that none can.
// A page's names (`<img name="body">`, `<input name="style">`) hide properties, so these are read from prototypes.
(settings) => {
  const TAGS = new Set(settings.tags);
  const UNSEEN = new Set(["script", "style", "noscript", "template", "iframe", "noembed", "noframes", "title"]);
  const SIZE = 4096, LEVELS = 16, STEP = 16, LOWEST = 10;
  const getter = (prototype, name) => Object.getOwnPropertyDescriptor(prototype, name).get;
  const html = getter(HTMLElement.prototype, "style");
  const svg = getter(SVGElement.prototype, "style");
  const nameOf = getter(Element.prototype, "localName");
  const ownerOf = getter(Node.prototype, "parentElement");
  const textOf = getter(CharacterData.prototype, "data");
  const all = [...Document.prototype.querySelectorAll.call(document, "*")];
  const name = (element) => nameOf.call(element).toLowerCase();
  const style = (element) =>
    element instanceof HTMLElement ? html.call(element)
    : element instanceof SVGElement ? svg.call(element)
    : element.style instanceof CSSStyleDeclaration ? element.style : null;
  const paint = (declarations, property, value) =>
    CSSStyleDeclaration.prototype.setProperty.call(declarations, property, value, "important");

  // Python's parser writes blank text as one blank or line break, which shows only where white space is kept, and a
  // page's declared encoding as utf-8, which both copies have anyhow.
  const isKept = (owner) => Element.prototype.closest.call(owner, "pre, textarea");
  const withoutBlanks = (parsed) => {
    const walker = parsed.createTreeWalker(parsed, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      if (!node.data.trim() && !isKept(node.parentElement)) node.data = " ";
    }
    for (const meta of parsed.querySelectorAll("meta")) {
      meta.removeAttribute("charset");
      if (/^content-type$/i.test(meta.httpEquiv)) meta.removeAttribute("content");
    }
    return parsed;
  };
  const showsBlanks = () => {
    const walker = Document.prototype.createTreeWalker.call(document, document, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const text = textOf.call(node), owner = ownerOf.call(node);
      if (text.trim() || text === " " || text === "\n" || isKept(owner)) continue;
      if (getComputedStyle(owner).whiteSpaceCollapse !== "collapse") return true;
    }
    return false;
  };
  // The number of every live element, or nothing where the numbered copy is another page.
  const numbersIn = ([source, numbered], attribute) => {
    const parse = (text) => withoutBlanks(new DOMParser().parseFromString(text, "text/html"));
    try {
      const copy = parse(numbered);
      for (const unseen of copy.querySelectorAll("noscript *")) unseen.removeAttribute(attribute);  // text, when live
      const elements = [...copy.querySelectorAll(":not(noscript *)")];
      const found = elements.map((element) => element.getAttribute(attribute));
      for (const element of elements) element.removeAttribute(attribute);
      const isSame = Node.prototype.isEqualNode.call(parse(source), copy) && elements.length === all.length
        && all.every((element, i) => name(element) === name(elements[i])) && !showsBlanks();
      return isSame ? found : null;
    } catch {
      return null;
    }
  };

  const memory = (globalThis.viscodexMemory ??= { styles: new Map(), numbers: null, veils: null, isPlain: false });
  if (settings.written) memory.numbers = numbersIn(settings.written, settings.attribute);
  if (settings.ifAnother && (memory.isPlain || !memory.numbers)) return false;

  // Texts of the body, and who owns them.
  const texts = [], owners = new Set();
  const body = Document.prototype.querySelector.call(document, "body");
  if (settings.owners && body) {
    const walker = Document.prototype.createTreeWalker.call(document, body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const owner = ownerOf.call(node), text = textOf.call(node);
      if (!text.trim() || UNSEEN.has(name(owner))) continue;
      texts.push([text, owner]);
      owners.add(owner);
    }
  }

  // The page's own inline styles come back before it is painted anew.
  const before = memory.styles;
  for (const [element, text] of before) style(element).cssText = text;

  // Text filled otherwise than in its colour, as gradients and drawings have it, is filled with its colour.
  const isFilled = (element) => {
    if (element instanceof SVGElement) return true;
    const computed = getComputedStyle(element);
    return computed.webkitTextFillColor !== computed.color;
  };
  const filled = new Set([...owners].filter(isFilled));
  // What lies over text as a veil mixes its paint with what is behind, so that nobody finds it; what hides it does not go.
  // Looked up once: styles that come back may come back slowly (transitions).
  memory.veils ??= new Map(all.filter(style).flatMap((element) => {
    const { opacity, filter, mixBlendMode } = getComputedStyle(element);
    return opacity !== "1" || filter !== "none" || mixBlendMode !== "normal" ? [[element, opacity]] : [];
  }));
  const veils = settings.owners ? memory.veils : new Map();
  const isHidden = (element) => veils.get(element) === "0";
  const painted = all.filter((element) => TAGS.has(name(element)) || owners.has(element)).filter(style);
  const written = new Map();
  memory.numbers?.forEach((number, i) => number === null || written.set(all[i], Number(number)));
  if (settings.owners) {
    const isInOrder = memory.numbers && painted.every((element, i) => written.get(element) === i);
    memory.isPlain = isInOrder && !filled.size && !veils.size;
  }
  const numbers = !settings.owners && memory.numbers ? written
    : new Map(painted.map((element, index) => [element, index]));
  const first = settings.part * SIZE;
  const colour = (index) => {
    if (index < first || index >= first + SIZE) return "#000000";
    const code = SIZE - 1 - (index - first);
    const levels = [code >> 8, (code >> 4) % LEVELS, code % LEVELS];
    return `rgb(${levels.map((level) => (LOWEST + STEP * level + settings.shift) % 256).join(", ")})`;
  };
  for (const element of all) {
    const declarations = style(element);
    if (!declarations) continue;
    if (!before.has(element)) before.set(element, declarations.cssText);
    paint(declarations, "background-color", "rgba(255, 255, 255, 0)");
    const index = numbers.get(element);
    if (index === undefined) continue;
    paint(declarations, "color", colour(index));
    if (!isHidden(element)) paint(declarations, "opacity", "1");
    if (filled.has(element)) {
      paint(declarations, "-webkit-text-fill-color", "currentcolor");
      paint(declarations, "fill", "currentcolor");
    }
  }

  for (const element of veils.keys()) {
    if (!isHidden(element)) paint(style(element), "opacity", "1");
    paint(style(element), "filter", "none");
    paint(style(element), "mix-blend-mode", "normal");
  }

  return {
    painted: painted.length,
    texts: texts.map(([text, owner]) => [text, numbers.get(owner) ?? -1]),
    isPlain: memory.isPlain,
    isNumbered: Boolean(memory.numbers),
  };
}
