// Pasted and dropped pictures. Nothing that is dropped may replace the page.
import { isShown } from "../lib/browser.js";
import { formWith, placeOfError } from "../lib/forms.js";
import { refusal, rules } from "../lib/picture_rules.js";
import { addPictures, formFor } from "./pictures.js";

// Outside of a text a browser would open a dropped link instead of the page.
const isInText = ({ target }) => Boolean(target.closest?.("textarea:read-write, input:read-write"));
const hasFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");

document.addEventListener("paste", (event) => {
  const files = [...(event.clipboardData?.files ?? [])];
  if (!files.length || isText(event.clipboardData, files)) return;
  event.preventDefault();
  add(event.target, files);
});

// Word, Excel and browsers copy a picture along with a text. A text that only names the file does not count.
function isText(clipboard, files) {
  const text = clipboard.getData("text/plain").trim();
  const lines = text.split(/\s*\n\s*/);
  const names = files.map((file) => file.name);
  if (!text || lines.every((line) => names.some((name) => line.endsWith(name)))) return false;
  const html = clipboard.getData("text/html");
  return !(/<img/i.test(html) && !html.replace(/<[^>]*>/g, "").trim());
}

function add(element, files) {
  const form = formFor(element);
  if (form) addPictures(form, files);
  else sayNotHere(element);
}

function sayNotHere(element) {
  const forms = [formWith(element), ...document.querySelectorAll("form[data-form]")];
  const form = forms.find((candidate) => candidate && isShown(candidate));
  const place = form ? placeOfError(form) : document.getElementById("notice");
  place.replaceChildren(refusal(form ? rules.notInNotes : rules.notHere));
}

for (const name of ["dragenter", "dragover"]) {
  document.addEventListener(name, (event) => {
    if (!hasFiles(event)) {
      refuse(event);
      return;
    }
    event.preventDefault();
    mark(formFor(event.target)?.closest("[data-drop-zone]"));
  });
}

function refuse(event) {
  if (isInText(event)) return;
  event.preventDefault();
  if (event.dataTransfer) event.dataTransfer.dropEffect = "none";
}

function mark(zone) {
  for (const other of document.querySelectorAll("[data-dropping]")) {
    if (other !== zone) other.removeAttribute("data-dropping");
  }
  zone?.setAttribute("data-dropping", "");
}

document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) mark(null); // out of the window
});

document.addEventListener("drop", (event) => {
  mark(null);
  if (!hasFiles(event)) {
    refuse(event);
    return;
  }
  event.preventDefault();
  const files = [...event.dataTransfer.files];
  if (files.length) add(event.target, files);
});
