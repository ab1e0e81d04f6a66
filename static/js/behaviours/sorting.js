// Tags and the priority of the ticket that is open. Its other fields keep what was typed when somebody changes the ticket.
const boxOf = (form) => form.querySelector("#tag-name");

// The next tag can be typed at once, in place of this one; what the desk takes is emptied.
function noteTag({ target, detail: { ctx } }) {
  if (target.id !== "tag") return;
  ctx.tag = { box: boxOf(target), text: boxOf(target).value };
  ctx.tag.box.select();
}

function emptyBox({ detail: { ctx } }) {
  const { tag, response } = ctx;
  if (tag && tag.box.value === tag.text && response.raw.ok) tag.box.value = "";
}

// A choice that somebody made here would hide what a colleague has chosen since.
function showPriority() {
  const select = document.getElementById("priority");
  const stored = select?.querySelector("option[selected]")?.value;
  if (!stored || select.stored === stored) return;
  select.stored = stored;
  select.value = stored;
}

if (document.querySelector("[data-desk]")) {
  document.addEventListener("htmx:config:request", noteTag);
  document.addEventListener("htmx:before:swap", emptyBox);
  document.addEventListener("htmx:after:swap", showPriority);
  showPriority();
}
