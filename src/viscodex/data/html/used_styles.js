// The rules of all style sheets that this page uses, at this width, as one style sheet. It changes the page's own rules
// on the way (custom properties that nothing reads are removed), so it must be the last that is asked of a page.
() => {
  // States and parts that no selector query sees; `:link` and the like match what is left of the selector anyway.
  const PARTS = "before|after|first-letter|first-line|placeholder|marker|selection|backdrop|file-selector-button";
  const STATES = "hover|focus-visible|focus-within|focus|active|visited|link|any-link|target|autofill";
  const UNSEEN = new RegExp(`::?(?:${PARTS}|${STATES}|-(?:webkit|moz|ms)-[\\w-]+)(?![\\w-])`, "g");
  const SHEETS = Object.getOwnPropertyDescriptor(Document.prototype, "styleSheets");

  const isUsed = (selector) => {
    const bare = selector.replace(UNSEEN, "").trim() || "*";
    try {
      return Document.prototype.querySelector.call(document, bare) !== null;
    } catch {
      return true; // `:not(:hover)` has become `:not()`
    }
  };

  const split = (list) => {
    const found = [];
    let depth = 0, from = 0;
    for (let place = 0; place < list.length; place++) {
      if ("([".includes(list[place])) depth++;
      else if (")]".includes(list[place])) depth--;
      else if (list[place] === "," && depth === 0) found.push(list.slice(from, place)), (from = place + 1);
    }
    return [...found, list.slice(from)].map((selector) => selector.trim());
  };

  const used = []; // [rule, selectors]
  const kept = new Map();
  const look = (rules) => {
    for (const rule of rules) {
      if (rule instanceof CSSStyleRule) {
        const selectors = split(rule.selectorText).filter(isUsed);
        if (selectors.length) used.push(rule), kept.set(rule, selectors);
      } else if (rule instanceof CSSMediaRule ? matchMedia(rule.conditionText).matches
        : rule instanceof CSSSupportsRule ? CSS.supports(rule.conditionText)
        : rule.cssRules && !(rule instanceof CSSKeyframesRule)) {
        look(rule.cssRules);
      }
    }
  };
  const sheets = [...SHEETS.get.call(document)].filter(
    (sheet) => !sheet.disabled && (!sheet.media.mediaText || matchMedia(sheet.media.mediaText).matches));
  for (const sheet of sheets) look(sheet.cssRules);

  const inline = [...Document.prototype.querySelectorAll.call(document, "[style]")].map((e) => e.getAttribute("style"));
  const words = () => used.map((rule) => rule.cssText).concat(inline).join("\n");
  const read = () => new Set([...words().matchAll(/var\(\s*(--[\w-]+)/g)].map((match) => match[1]));
  for (let before = -1, names = read(); before !== names.size; before = names.size, names = read())
    for (const { style } of used)
      for (const name of [...style]) if (name.startsWith("--") && !names.has(name)) style.removeProperty(name);
  const names = read(), all = words();

  const text = (rules, indent) => {
    let lines = "";
    for (const rule of rules) {
      if (rule instanceof CSSStyleRule) {
        if (!kept.has(rule)) continue;
        const selectors = kept.get(rule).join(", ");
        if (rule.cssRules?.length) lines += `${indent}${rule.cssText.replace(rule.selectorText, () => selectors)}\n`;
        else if (rule.style.length) lines += `${indent}${selectors} { ${rule.style.cssText} }\n`;
      } else if (rule instanceof CSSKeyframesRule) {
        if (new RegExp(`animation[^;]*\\b${CSS.escape(rule.name)}\\b`).test(all)) lines += `${indent}${rule.cssText}\n`;
      } else if (rule instanceof CSSPropertyRule) {
        if (names.has(rule.name)) lines += `${indent}${rule.cssText}\n`;
      } else if (rule instanceof CSSLayerStatementRule) {
        lines += `${indent}${rule.cssText}\n`;
      } else if (rule.cssRules) {
        const inner = text(rule.cssRules, indent + "  ");
        const head = rule.cssText.slice(0, rule.cssText.indexOf("{")).trim();
        if (inner.trim()) lines += `${indent}${head} {\n${inner}${indent}}\n`;
      }
    }
    return lines;
  };
  return sheets.map((sheet) => text(sheet.cssRules, "")).join("");
}
