// How far down the page's own content reaches, in pixels: the window itself is never shorter than its frame.
() => {
  const body = Object.getOwnPropertyDescriptor(Document.prototype, "body").get.call(document);
  let bottom = 0;
  for (const element of body ? Element.prototype.querySelectorAll.call(body, "*") : []) {
    const box = Element.prototype.getBoundingClientRect.call(element);
    if (box.width > 0 && box.height > 0 && box.right > 0 && box.left < innerWidth) {
      const seen = { opacityProperty: true, visibilityProperty: true };
      if (box.bottom + scrollY > bottom && Element.prototype.checkVisibility.call(element, seen)) bottom = box.bottom + scrollY;
    }
  }
  return Math.ceil(bottom);
}
