// Watches for somebody who points at what must not move: with a mouse that has moved just now, or a finger.

const RESTS_AFTER = 3000;

// Calls back when it may move again: the pointer has left it, has clicked, or rests. Gives a function that says whether
// somebody points at it.
export function watchPointer(root, selector, onFree) {
  let timer = null;
  const free = () => {
    if (timer === null) return;
    clearTimeout(timer);
    timer = null;
    onFree();
  };
  const onPoint = (event) => {
    if (!event.target.closest(selector)) return free();
    clearTimeout(timer);
    timer = setTimeout(free, RESTS_AFTER);
  };
  for (const name of ["pointermove", "pointerdown"]) root.addEventListener(name, onPoint, { passive: true });
  for (const name of ["pointerleave", "click"]) root.addEventListener(name, free);
  return () => timer !== null;
}
