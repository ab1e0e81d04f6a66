// A picture for the message: chosen, pasted or dropped, checked here first, and sent with a bar that shows how far.

const TYPES = ["image/png", "image/jpeg", "image/webp", "image/gif"];
const MOST_BYTES = 10 * 1024 * 1024;

const inputOf = (form) => form.querySelector("[data-picture-input]");

// The form that a picture goes to: the one that is worked in, else the one that can be seen.
function formFor(element) {
  const near = element.closest?.("form");
  if (near && inputOf(near)) return near;
  return [...document.querySelectorAll("form[data-form]")].find((form) => inputOf(form) && form.checkVisibility());
}

function choose(form, file) {
  const transfer = new DataTransfer();
  transfer.items.add(file);
  inputOf(form).files = transfer.files;
  show(form);
}

function show(form) {
  const input = inputOf(form);
  const [file] = input.files;
  const preview = form.querySelector("[data-preview]");
  const picture = preview.querySelector("[data-preview-picture]");
  if (picture.src) URL.revokeObjectURL(picture.src);
  picture.removeAttribute("src");
  const problem = file && problemOf(file);
  document.getElementById(`${form.id}-error`).textContent = problem ?? "";
  if (!file || problem) {
    input.value = "";
    preview.hidden = true;
    return;
  }
  picture.src = URL.createObjectURL(file);
  preview.querySelector("[data-preview-name]").textContent = file.name;
  preview.querySelector("[data-progress]").hidden = true;
  preview.hidden = false;
}

function problemOf(file) {
  if (!TYPES.includes(file.type))
    return "This is not a picture that we can show. Choose a PNG, JPEG, WebP or GIF file.";
  if (file.size > MOST_BYTES) return "This picture is larger than 10 MB. Choose a smaller one.";
}

function clear(form) {
  if (!inputOf(form)) return;
  inputOf(form).value = "";
  show(form);
}

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-picture-input]")) show(event.target.form);
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-preview-remove]");
  if (!button) return;
  clear(button.form);
  button.form.querySelector("[data-text]").focus();
});

document.addEventListener("composer:sent", (event) => clear(event.target));

document.addEventListener("paste", (event) => {
  const file = [...(event.clipboardData?.files ?? [])].find((candidate) => candidate.type.startsWith("image/"));
  const form = file && formFor(event.target);
  if (!form) return;
  event.preventDefault();
  choose(form, file);
});

for (const name of ["dragenter", "dragover"]) {
  document.addEventListener(name, (event) => {
    const zone = event.target.closest?.("[data-drop-zone]");
    if (!zone || !event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    zone.setAttribute("data-dropping", "");
  });
}

document.addEventListener("dragleave", (event) => {
  const zone = event.target.closest?.("[data-drop-zone]");
  if (zone && !zone.contains(event.relatedTarget)) zone.removeAttribute("data-dropping");
});

document.addEventListener("drop", (event) => {
  const zone = event.target.closest?.("[data-drop-zone]");
  if (!zone) return;
  zone.removeAttribute("data-dropping");
  const [file] = event.dataTransfer?.files ?? [];
  const form = file && formFor(event.target);
  if (!form) return;
  event.preventDefault();
  choose(form, file);
});

// fetch() cannot say how much of a body has gone out; XMLHttpRequest can.
document.addEventListener("htmx:config:request", (event) => {
  const form = event.target.matches?.("form[data-form]") ? event.target : null;
  if (!form || !inputOf(form)?.files.length) return;
  const progress = form.querySelector("[data-progress]");
  progress.value = 0;
  progress.hidden = false;
  event.detail.ctx.request.timeout = "5m";
  event.detail.ctx.fetch = (path, request) => upload(path, request, progress);
});

function upload(path, request, progress) {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    xhr.open(request.method, path);
    for (const [name, value] of Object.entries(request.headers)) xhr.setRequestHeader(name, value);
    xhr.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) progress.value = event.loaded / event.total;
    });
    xhr.addEventListener("load", () => resolve(responseOf(xhr)));
    xhr.addEventListener("error", () => reject(new TypeError("The upload was cut off.")));
    xhr.addEventListener("abort", () => reject(new DOMException("The upload took too long.", "AbortError")));
    request.signal.addEventListener("abort", () => xhr.abort());
    xhr.send(request.body);
  });
}

function responseOf(xhr) {
  const headers = xhr
    .getAllResponseHeaders()
    .trim()
    .split("\r\n")
    .map((line) => line.split(/:\s*(.*)/s).slice(0, 2));
  const response = new Response(xhr.responseText, { status: xhr.status, headers });
  // hx-csp trusts the attributes of an answer by the origin of its address.
  Object.defineProperty(response, "url", { value: xhr.responseURL });
  return response;
}
