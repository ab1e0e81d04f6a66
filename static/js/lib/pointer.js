const RESTS_AFTER = 3000;

// Returns a function that says whether somebody points at a match of the selector. Calls back when they no longer do: the
// pointer has left, clicked, or rests.
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
