// Runs before the page's own scripts, in its world: the same date, the same random numbers, every time.
// The clock moves a millisecond with each look at it, so that loops which wait for it end.
(() => {
  let now = Date.UTC(2025, 0, 1, 12);
  const tick = () => now++;
  const Real = Date;
  const Fixed = new Proxy(Real, {
    apply: () => new Real(tick()).toString(),
    construct: (target, given, asked) => Reflect.construct(target, given.length ? given : [tick()], asked),
    get: (target, key) => (key === "now" ? tick : Reflect.get(target, key)),
  });
  Real.prototype.constructor = Fixed;
  globalThis.Date = Fixed;

  let state = 0x9e3779b9;
  Math.random = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
})();
