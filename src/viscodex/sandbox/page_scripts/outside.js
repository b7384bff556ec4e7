// Runs before the page's own scripts, in its world: a window that is as large outside as inside.
// The tab itself is a peephole (visit.py); of all that a page can ask, only these two would show it.
((width, height) => {
  for (const [name, size] of Object.entries({ outerWidth: width, outerHeight: height })) {
    const replace = (value) => Object.defineProperty(globalThis, name, { value, writable: true });
    Object.defineProperty(globalThis, name, { get: () => size, set: replace, configurable: true, enumerable: true });
  }
})
