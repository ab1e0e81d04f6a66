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

// How long to wait after so many failures: 0.5, 1, 2, 4, 8, 8, ... seconds, a quarter more or less, so that the pages
// of a server that was away do not all come back in the same moment.
export function backoff(failures, random = Math.random) {
  return Math.min(8000, 500 * 2 ** (failures - 1)) * (0.75 + random() / 2);
}

export const pause = (wait) => new Promise((resolve) => setTimeout(resolve, wait));
