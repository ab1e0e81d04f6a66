// Calls at once, then at most every `wait` milliseconds, and once more at the end for the calls in between.
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

export function debounce(callback, wait) {
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(callback, wait);
  };
}

// 0.5, 1, 2, 4, 8, 8, ... seconds, with jitter: the pages of a restarted server must not all reconnect at once.
export function backoff(failures, random = Math.random) {
  return Math.min(8000, 500 * 2 ** (failures - 1)) * (0.75 + random() / 2);
}

export const pause = (wait) => new Promise((resolve) => setTimeout(resolve, wait));
