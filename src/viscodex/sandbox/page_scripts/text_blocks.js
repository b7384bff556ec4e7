// Every text node that is laid out: its text, box in pixels of the full page, and colours. Runs in a world of its own.
// The answer is JSON text: the browser takes ten times as long over a list of lists.
() => {
  const MOST = 20000, LONGEST = 20000;
  const getter = (type, name) => Object.getOwnPropertyDescriptor(type.prototype, name).get;
  const parentOf = getter(Node, "parentElement"), nameOf = getter(Element, "localName");
  const root = getter(Document, "documentElement").call(document);
  if (!root) return "[]";
  const pixel = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const colors = new Map();
  // Computed colours come as rgb(), oklch(), color(…): painting one is the one way to read them all.
  const rgba = (css) => {
    if (!colors.has(css)) {
      const plain = /^rgba?\((\d+), (\d+), (\d+)(?:, ([\d.]+))?\)$/.exec(css);
      if (plain) colors.set(css, [+plain[1], +plain[2], +plain[3], plain[4] === undefined ? 1 : +plain[4]]);
      else {
        pixel.clearRect(0, 0, 1, 1);
        pixel.fillStyle = css;
        pixel.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = pixel.getImageData(0, 0, 1, 1).data;
        colors.set(css, [r, g, b, a / 255]);
      }
    }
    return colors.get(css);
  };

  const blocks = [];
  const range = Document.prototype.createRange.call(document);
  const walker = Document.prototype.createTreeWalker.call(document, root, NodeFilter.SHOW_TEXT);
  const styles = new Map();
  for (let node = walker.nextNode(); node && blocks.length < MOST; node = walker.nextNode()) {
    const text = node.data.trim();
    if (!text) continue;
    range.selectNodeContents(node);
    let left = Infinity, top = Infinity, right = -Infinity, bottom = -Infinity;
    for (const rect of range.getClientRects()) {
      if (!rect.width || !rect.height) continue;
      left = Math.min(left, rect.left), right = Math.max(right, rect.right);
      top = Math.min(top, rect.top), bottom = Math.max(bottom, rect.bottom);
    }
    if (right <= left) continue;
    const owner = parentOf.call(node);
    if (!styles.has(owner)) {
      const style = getComputedStyle(owner);
      styles.set(owner, {
        color: rgba(style.color),
        size: parseFloat(style.fontSize),
        tag: nameOf.call(owner),
        visible: Element.prototype.checkVisibility.call(owner, { opacityProperty: true, visibilityProperty: true }),
      });
    }
    const { color, size, tag, visible } = styles.get(owner);
    const box = [left + scrollX, top + scrollY, right - left, bottom - top];
    blocks.push([text.slice(0, LONGEST), ...box, color.slice(0, 3), color[3], size, tag, visible]);
  }
  return JSON.stringify(blocks);
}
