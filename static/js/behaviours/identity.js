// Who the customer is, as their site has signed it. The desk says at data-identity where it wants to know.
import { cover } from "../lib/cover.js";
import { post } from "../lib/http.js";
import { changeKey } from "../lib/key.js";
import { messageList } from "../lib/messages.js";
import { pause } from "../lib/timing.js";
import { forget } from "./forget.js";
import { stayWhile } from "./live.js";

const AGAIN_AFTER = 5000;

const page = document.querySelector("[data-identity]");
const said = (values) => post(page.dataset.identity, new URLSearchParams(values)).catch(() => null);

let isLeaving = false;

// Resolves to whether the desk knows them now.
export async function identify(token) {
  if (!page || isLeaving) return false;
  cover(true);
  const answer = await stayWhile(changeKey(() => (isLeaving ? null : said({ token }))));
  if (isLeaving) return false;
  if (answer?.status === 409) {
    if (!isQuestion()) window.location.replace(page.dataset.identity);
    else offer(token);
    return false;
  }
  if (!answer?.ok) {
    cover(false);
    return false;
  }
  const { moved, has_chat: hasChat } = await answer.json();
  if (isQuestion()) window.location.replace(page.dataset.chat);
  else if (moved && (hasChat || messageList())) window.location.reload();
  else {
    page.toggleAttribute("data-known", true);
    cover(false);
  }
  return true;
}

// Nothing of the chat is left in this browser then.
export async function leave() {
  if (isLeaving) return;
  isLeaving = true;
  cover(true);
  forget();
  const answer = await changeKey(() => post(page.dataset.leave).catch(() => null));
  if (!answer?.ok) await pause(AGAIN_AFTER); // the page around asks again
  window.location.reload();
}

const isQuestion = () => page.hasAttribute("data-identity-asks");

function offer(token) {
  cover(false);
  const button = page.querySelector("[data-identity-replace]");
  button.disabled = false;
  button.onclick = async () => {
    const answer = await stayWhile(changeKey(() => said({ token, replace: "1" })));
    document.getElementById("identity-failed").hidden = answer?.ok ?? false;
    if (!answer?.ok) return;
    forget(); // what somebody else has typed here
    window.location.replace(page.dataset.chat);
  };
}
