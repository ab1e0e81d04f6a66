// Calls at once, then at most every `wait` milliseconds, with one more call at the end if there were some in between.
export function throttle(callback, wait) {
  let timer = null;
  let isDue = false;
  const run = () => {
    callback();
    timer = setTimeout(() => {
      timer = null;
      if (isDue) {
        isDue = false;
        run();
      }
    }, wait);
  };
  return () => {
    if (timer === null) run();
    else isDue = true;
  };
}

// Calls once, `wait` milliseconds after the last of several calls.
export function debounce(callback, wait) {
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(callback, wait);
  };
}
