// Who is here, on a page that is left open: looked at again now and then, and when somebody comes back to it.

const LOOK_EVERY = 60_000;
const place = document.querySelector("[data-people]");

function look() {
  if (document.visibilityState === "visible") htmx.trigger(place, "look");
}

if (place) {
  setInterval(look, LOOK_EVERY);
  document.addEventListener("visibilitychange", look);
}
