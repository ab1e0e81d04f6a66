// Who would rather not say their name is not asked again in this tab.
import { recall, remember } from "../lib/storage.js";

const form = document.querySelector("[data-introduction]");

function skip() {
  remember("unnamed", form.dataset.introduction, "yes");
  form.remove();
}

if (form && recall("unnamed", form.dataset.introduction)) form.remove();
form?.querySelector("[data-skip]").addEventListener("click", () => {
  skip();
  document.querySelector("[data-composer] [data-text]").focus();
});
